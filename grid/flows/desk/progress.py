"""How an event goes while it runs, for a chart: what its cars were told to give and what readings show of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from grid.models import EventProgress, GridEvent

STEP = timedelta(minutes=5)
SHORT_STEP, SHORT = timedelta(minutes=1), timedelta(minutes=30)
MOST_STEPS = 600  # of longer events the last hours are shown
WATTS_PER_KW = 1000


@dataclass(frozen=True)
class Step:
    """A stretch of a running event and the last look in it; powers in W, positive where they help."""

    starts_at: datetime
    look: EventProgress


@dataclass(frozen=True)
class Progress:
    """The looks at an event, one a step. `newest` is the last of all."""

    event: GridEvent
    steps: list[Step]
    step: timedelta

    @property
    def newest(self) -> EventProgress:
        """The last look."""
        return self.steps[-1].look

    @property
    def staff_chart(self) -> dict[str, Any]:
        """What is drawn for staff, whose pages tell UTC."""
        return self.chart(zone="UTC", locale="en-US")

    def chart(self, *, zone: str, locale: str) -> dict[str, Any]:
        """Return what the chart module draws as lines over the whole event; what is still to come is empty."""
        first, count = self.steps[0].starts_at, -(-(self.event.ends_at - self.steps[0].starts_at) // self.step)
        looks = {(row.starts_at - first) // self.step: row.look for row in self.steps}
        names = {"asked": "asked_w", "told": "planned_w", "seen": "measured_w"}
        return {
            "startsAt": first.isoformat(),
            "slotMinutes": self.step // timedelta(minutes=1),
            "now": self.newest.at.isoformat(),
            "lines": [
                {"name": name, "values": [_kw(looks.get(place), field) for place in range(max(1, count))]}
                for name, field in names.items()
            ],
            "zone": zone,
            "locale": locale,
        }


def _kw(look: EventProgress | None, field: str) -> float | None:
    return None if look is None else round(getattr(look, field) / WATTS_PER_KW, 3)


def progress_of(event: GridEvent) -> Progress | None:
    """Return how the event went so far; None before the first look at it."""
    step = SHORT_STEP if event.ends_at - event.starts_at <= SHORT else STEP
    looks = EventProgress.objects.filter(event=event, at__gte=max(event.starts_at, event.ends_at - MOST_STEPS * step))
    steps = list(_steps(looks.order_by("at").iterator(chunk_size=2000), event, step))
    return Progress(event, steps, step) if steps else None


def _steps(looks: Iterable[EventProgress], event: GridEvent, step: timedelta) -> Iterable[Step]:
    last: Step | None = None
    for look in looks:
        starts_at = event.starts_at + (look.at - event.starts_at) // step * step
        if last is not None and starts_at != last.starts_at:
            yield last
        last = Step(starts_at, look)
    if last is not None:
        yield last
