"""The newest settled event as one drawing: all cars together, beside what they would have done without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count

from chargescape.staff.bases import event_page
from grid.flows.operators.reporting import group_told
from grid.metering.settlement import SERIES_STEP
from grid.models import GridEvent

MOST_CARS = 5000  # each car's evidence is read; larger groups are told in the utility's report
REMEMBERED = timedelta(minutes=10)
WATTS_PER_KW = 1000


@dataclass(frozen=True)
class GroupRow:
    """A quarter of an hour; power in kW at the AC side, < 0 gives back; None is not known."""

    starts_at: datetime
    baseline_kw: float
    net_kw: float | None


@dataclass(frozen=True)
class GroupChart:
    """What the drawing and its table show."""

    event: GridEvent
    rows: Sequence[GroupRow]

    @property
    def href(self) -> str:
        """The event's page in the admin."""
        return event_page(self.event)

    @property
    def data(self) -> dict[str, Any]:
        """The drawing's values."""
        return {
            "startsAt": self.rows[0].starts_at.isoformat(),
            "slotMinutes": SERIES_STEP // timedelta(minutes=1),
            "baseline": [round(row.baseline_kw, 2) for row in self.rows],
            "net": [None if row.net_kw is None else round(row.net_kw, 2) for row in self.rows],
            "zone": "UTC",
            "locale": "en-US",
        }


def newest_chart() -> GroupChart | None:
    """Return the chart of the event that was settled last, or None where there is none or it is too large."""
    settled = GridEvent.objects.filter(state=GridEvent.State.SETTLED).select_related("terms__program__utility")
    event = settled.annotate(cars=Count("participations")).order_by("-settled_at").first()
    if event is None or event.cars > MOST_CARS:
        return None
    key = f"operations:group:{event.pk}:{event.version}"
    rows: list[GroupRow] | None = cache.get(key)
    if rows is None:
        rows = _rows(event)
        cache.set(key, rows, REMEMBERED.total_seconds())
    return GroupChart(event, rows) if rows else None


def _rows(event: GridEvent) -> list[GroupRow]:
    hours = SERIES_STEP / timedelta(hours=1)
    return [
        GroupRow(
            starts_at=event.starts_at + place * SERIES_STEP,
            baseline_kw=(told.baseline_wh or 0) / hours / WATTS_PER_KW,
            net_kw=None if told.demand_w is None else told.demand_w / WATTS_PER_KW,
        )
        for place, told in enumerate(group_told(event))
    ]
