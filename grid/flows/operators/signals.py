"""Prices and emissions that a utility's server sends beside its events: kept as series, like those of any source."""

from datetime import datetime

from grid.models import Feed, OperatorProgram, SeriesPoint
from grid.operators.base import Asked

SOURCE = "openadr"
KINDS = {"price": Feed.Kind.DAY_AHEAD_PRICE, "marginal_carbon": Feed.Kind.MARGINAL_CARBON}


def keep_signals(*, program: OperatorProgram, asked: Asked, now: datetime) -> int:
    """Keep the message's prices and emissions as issued now, and return how many are new.

    Each program has its own series, under the source `openadr`; nobody fetches it, the server's events bring it.
    Export prices are not kept: no tariff of ours takes them from a series yet.
    """
    kept = 0
    for name, kind in KINDS.items():
        values = [value for value in asked.series if value.kind == name]
        if not values:
            continue
        feed, _ = Feed.objects.get_or_create(
            source=SOURCE, zone=f"{program.link_id}:{program.pk}", kind=kind, defaults={"is_active": False}
        )
        rows = [
            SeriesPoint(
                feed=feed,
                starts_at=value.starts_at,
                ends_at=value.ends_at,
                value=value.value_micros,
                unit=value.unit,
                issued_at=now,
            )
            for value in values
        ]
        kept += len(SeriesPoint.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True))
        latest = max(value.ends_at for value in values)
        Feed.objects.filter(pk=feed.pk).update(fetched_at=now, latest_ends_at=latest)
    return kept
