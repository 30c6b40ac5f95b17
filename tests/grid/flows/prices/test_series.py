"""The loader agrees with a plain model of issues: known when, corrected late, told out of order or twice."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from grid.feeds.base import Point
from grid.flows.prices import series
from grid.flows.prices.feeds import values_between
from grid.flows.prices.series import Values, store_values, values_of
from grid.models import Feed, SeriesPoint
from grid.rows.columns import micros_of
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 11, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
Told = tuple[int, int, int]  # the hour, when it was issued, the value


def values(rows: Sequence[Told]) -> Values:
    points = [
        Point(BEGIN + HOUR * hour, BEGIN + HOUR * (hour + 1), value, "USD/kWh", BEGIN + timedelta(days=issue))
        for hour, issue, value in rows
    ]
    return values_of(points)


def stored() -> list[Told]:
    rows = SeriesPoint.objects.order_by("starts_at", "issued_at").values_list("starts_at", "issued_at", "value")
    return [((at - BEGIN) // HOUR, (issued - BEGIN).days, value) for at, issued, value in rows]


def test_history_of_issues_is_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "BATCH", 7)
    dice, feed = random.Random(3), make.feed()  # noqa: S311 - examples, nothing secret
    model: dict[tuple[int, int], int] = {}
    for _ in range(25):
        rows = [(dice.randrange(24), dice.randrange(6), dice.randrange(3)) for _ in range(dice.randint(1, 12))]
        for hour, issue, value in sorted({(hour, issue): (hour, issue, value) for hour, issue, value in rows}.values()):
            in_force = [model[hour, day] for day in range(issue + 1) if (hour, day) in model]
            if not in_force or (in_force[-1] != value and (hour, issue) not in model):
                model[hour, issue] = value
        store_values(feed=feed, values=values(rows))
        assert stored() == [(*key, value) for key, value in sorted(model.items())]


def test_loading_counts_what_is_new_and_again_stores_nothing() -> None:
    feed, rows = make.feed(), values([(hour, 0, hour - 5) for hour in range(50)])
    assert [store_values(feed=feed, values=rows) for _ in range(2)] == [50, 0]
    corrected = values([(hour, 1, hour - 5 + (hour == 7)) for hour in range(60)])
    assert store_values(feed=feed, values=corrected) == 11


def test_longer_interval_is_a_correction() -> None:
    feed, one = make.feed(), values([(0, 0, 5)])
    store_values(feed=feed, values=one)
    longer = Values(one.starts, one.ends + 3_600_000_000, one.values, one.issued + 1, one.unit)
    assert store_values(feed=feed, values=longer) == 1


def test_older_issue_told_late_is_kept_and_does_not_count() -> None:
    feed = make.feed()
    for issue, value in ((3, 30), (1, 10)):
        assert store_values(feed=feed, values=values([(0, issue, value)])) == 1
    assert values_between(feed=feed, starts_at=BEGIN, ends_at=BEGIN + HOUR, slot_minutes=60) == [30]
    assert stored() == [(0, 1, 10), (0, 3, 30)]


def test_values_at_the_edges_of_what_can_be_kept() -> None:
    feed = make.feed()
    at = np.array([micros_of(BEGIN) + 1], dtype=np.int64)
    store_values(feed=feed, values=Values(at, at + 1, np.array([-(2**62)]), at, "USD/kWh"))
    point = SeriesPoint.objects.get()
    assert (point.starts_at.microsecond, point.value, point.unit) == (1, -(2**62), "USD/kWh")
    assert store_values(feed=feed, values=values([])) == 0


def test_series_has_one_unit_and_its_own_feed() -> None:
    point = Point(BEGIN, BEGIN + HOUR, 1, "USD/kWh", BEGIN)
    with pytest.raises(ValueError, match="one unit"):
        values_of([point, Point(BEGIN, BEGIN + HOUR, 1, "CAD/kWh", BEGIN)])
    for zone in ("A", "B"):
        store_values(feed=make.feed(zone=zone), values=values([(0, 0, 1)]))
    assert [feed.points.count() for feed in Feed.objects.all()] == [1, 1]
