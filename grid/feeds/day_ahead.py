"""The timetable that every day-ahead market keeps: tomorrow is published at one local time of today."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import ClassVar

from grid.feeds.base import HOUR


class DayAhead:
    """When to look at a market whose next day comes out at `published_at` on its own clock; a base for its source."""

    local: ClassVar[tzinfo]
    published_at: ClassVar[time]

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return yesterday (for corrections) to the end of tomorrow, local time."""
        return self._midnight(now, days=-1), self._midnight(now, days=2)

    def expected_until(self, now: datetime) -> datetime:
        """Return the end of tomorrow once tomorrow is published, else of today."""
        return self._midnight(now, days=2 if now.astimezone(self.local).time() >= self.published_at else 1)

    def next_fetch_at(self, now: datetime) -> datetime:
        """Return an hour from now, or the next publication if that comes first."""
        today = now.astimezone(self.local).date()
        published = datetime.combine(today, self.published_at, tzinfo=self.local).astimezone(UTC)
        return published if now < published < now + HOUR else now + HOUR

    def _midnight(self, now: datetime, *, days: int) -> datetime:
        day = now.astimezone(self.local).date() + timedelta(days=days)
        return datetime.combine(day, time(), tzinfo=self.local).astimezone(UTC)
