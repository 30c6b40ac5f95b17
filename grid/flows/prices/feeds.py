"""Prices and carbon are fetched when due, kept as issued, and read back slot by slot."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import transaction
from django.db.models import F, Q

from foundation import clock
from grid.feeds.base import FeedBusy, FeedError, FeedSource, FeedUnreadable, Point, holes
from grid.flows.prices.series import store_values, values_of
from grid.gateway import open_feed
from grid.models import Feed, SeriesPoint

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
LONGEST_CATCH_UP = timedelta(days=31)  # what sources hand out in one go
LONGEST_POINT = timedelta(days=1)
MOST_GAPS = 50


def fetch_due_feeds(*, now: datetime, limit: int) -> int:
    """Fetch the feeds that are due, one after the other, and return how many answered well.

    A feed whose source fails keeps its values and shows its age; it is tried again after a wait that doubles.
    """
    due = Feed.objects.filter(_is_due(now)).order_by(F("next_fetch_at").asc(nulls_first=True), "pk")
    return sum(_fetch_claimed(feed, now) for feed in due[:limit] if _claim(feed, now))


def _is_due(now: datetime) -> Q:
    # Waits and leases are wall time (the other side counts real seconds), the timetable is simulated time.
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock.wall())
    return Q(is_active=True) & is_free & (Q(next_fetch_at__isnull=True) | Q(next_fetch_at__lte=now))


def _claim(feed: Feed, now: datetime) -> bool:
    claimed = Feed.objects.filter(_is_due(now), pk=feed.pk).update(lease_until=clock.wall() + LEASE)
    return claimed == 1


def _fetch_claimed(feed: Feed, now: datetime) -> bool:
    try:
        source = open_feed(feed)
        starts_at, ends_at = _window(feed, source, now)
        points = source.fetch(zone=feed.zone, starts_at=starts_at, ends_at=ends_at, now=now)
        if any(point.unit != source.unit or point.ends_at <= point.starts_at for point in points):
            raise FeedUnreadable("points of another unit or without length")
        _record_answer(feed, source, points, starts_at=starts_at, now=now)
    except FeedError as error:
        logger.warning("feed %s: %s (%s)", feed, error.code, error)
        _record_failure(feed, error.code, _wait(feed, error))
        return False
    except Exception:
        logger.exception("feed %s broke", feed)
        _record_failure(feed, "internal error", LONGEST_WAIT)
        return False
    return True


def _window(feed: Feed, source: FeedSource, now: datetime) -> tuple[datetime, datetime]:
    """Return the source's window, begun earlier where the feed was silent for longer."""
    starts_at, ends_at = source.window(now)
    if feed.latest_ends_at is not None and feed.latest_ends_at < starts_at:
        starts_at = max(feed.latest_ends_at, now - LONGEST_CATCH_UP)
    return starts_at, ends_at


def _wait(feed: Feed, error: FeedError) -> timedelta:
    if isinstance(error, FeedBusy) and error.retry_after_seconds is not None:
        return min(timedelta(seconds=error.retry_after_seconds), timedelta(days=1))
    doublings = min(feed.failures, 10)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def _record_failure(feed: Feed, failure: str, wait: timedelta) -> None:
    Feed.objects.filter(pk=feed.pk).update(failure=failure, failures=F("failures") + 1, lease_until=clock.wall() + wait)


def _record_answer(
    feed: Feed, source: FeedSource, points: Sequence[Point], *, starts_at: datetime, now: datetime
) -> None:
    """Keep what is new: values not known yet, and corrections as newer issues of the same interval."""
    with transaction.atomic():
        ends_at = max((point.ends_at for point in points), default=starts_at)
        store_values(feed=feed, values=values_of(points))
        feed.gaps = _gaps(feed, starts_at, source.expected_until(now))
        if points:
            feed.latest_ends_at = max(ends_at, feed.latest_ends_at or ends_at)
        feed.fetched_at, feed.next_fetch_at = now, source.next_fetch_at(now)
        feed.failure, feed.failures, feed.lease_until = "", 0, None
        feed.save(
            update_fields=[
                "gaps",
                "latest_ends_at",
                "fetched_at",
                "next_fetch_at",
                "failure",
                "failures",
                "lease_until",
            ]
        )


def _gaps(feed: Feed, starts_at: datetime, expected_until: datetime) -> list[list[str]]:
    rows = latest_points(feed, starts_at, expected_until)
    points = [Point(row.starts_at, row.ends_at, row.value, row.unit, row.issued_at) for row in rows]
    missing = holes(points, starts_at=starts_at, ends_at=expected_until)
    return [[hole_starts.isoformat(), hole_ends.isoformat()] for hole_starts, hole_ends in missing[:MOST_GAPS]]


def latest_points(feed: Feed, starts_at: datetime, ends_at: datetime) -> list[SeriesPoint]:
    """Return the points that overlap `[starts_at, ends_at)`, the newest issue of each, in order."""
    rows = SeriesPoint.objects.filter(
        feed=feed, starts_at__gt=starts_at - LONGEST_POINT, starts_at__lt=ends_at, ends_at__gt=starts_at
    ).order_by("starts_at", "issued_at")
    newest = {row.starts_at: row for row in rows.iterator()}
    return list(newest.values())


def values_between(*, feed: Feed, starts_at: datetime, ends_at: datetime, slot_minutes: int) -> list[int | None]:
    """Return the feed's mean over each slot of `[starts_at, ends_at)`, in millionths of its unit, rounded once.

    A slot that is not wholly known is None: a gap is never filled by guessing. Raises ValueError where the stretch
    is no whole number of slots.
    """
    slot = timedelta(minutes=slot_minutes)
    if slot_minutes <= 0 or ends_at < starts_at or (ends_at - starts_at) % slot:
        raise ValueError("The stretch is a whole number of slots.")
    points = latest_points(feed, starts_at, ends_at)
    ends = [min(point.ends_at, later.starts_at) for point, later in pairwise(points)]
    steps = list(zip(points, [*ends, *(point.ends_at for point in points[-1:])], strict=True))
    count = (ends_at - starts_at) // slot
    sums, seconds = [0] * count, [0] * count
    for point, point_ends in steps:
        first = max((point.starts_at - starts_at) // slot, 0)
        for place in range(first, count):
            slot_starts = starts_at + slot * place
            shared = min(point_ends, slot_starts + slot) - max(point.starts_at, slot_starts)
            if shared <= timedelta(0):
                break
            seconds[place] += int(shared.total_seconds())
            sums[place] += point.value * int(shared.total_seconds())
    return [
        round(total / known) if known == slot_minutes * 60 else None for total, known in zip(sums, seconds, strict=True)
    ]
