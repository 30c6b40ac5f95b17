"""An event of several cars that is settled by the group, and what each of them took in it."""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from grid.models import EventParticipation, GridEvent, ProgramTerms
from tests.factories import grid, nights

MINUTE = timedelta(minutes=1)
GROUP_TERMS: dict[str, Any] = {"settles": ProgramTerms.Settles.GROUP, "objection_hours": 0, "version": 2}


def event(*, now: datetime, kind: str = "hold", **terms: Any) -> GridEvent:
    """Return an announced event from 18:05 to 20:05 whose terms settle by the group; it pays 2.00 per kWh."""
    of = grid.terms(now=now, **(GROUP_TERMS | terms))
    return grid.event(now=now, of=of, kind=kind, state=GridEvent.State.ANNOUNCED, announced_at=now)


def owner(number: int) -> User:
    """Return one of many owners."""
    return User.objects.create_user(email=f"member-{number}@example.org", password=None, time_zone="America/Chicago")


def take_part(event: GridEvent, of: User, *, committed: int = 10_000, now: datetime, **fields: Any) -> Any:
    """Return a car's part in the event; the car has been at the plug with 50 % since 16:55."""
    part = grid.participation(nights.plugged_car(of, now=now), now=now, in_event=event)
    for name, value in ({"committed_wh": committed} | fields).items():
        setattr(part, name, value)
    part.save()
    return part


def took(
    part: EventParticipation, wh: int, *, exported_wh: int = 0, until: timedelta = 5 * MINUTE, **fields: Any
) -> None:
    """Read the car every quarter of an hour around the event, in which it took `wh` and gave `exported_wh`."""
    at, place = part.event.starts_at - 15 * MINUTE, -1
    while at <= part.event.ends_at + max(until, -60 * MINUTE):
        done = min(max(place, 0), 8)
        nights.reading(part.enrollment.vehicle, at=at, soc=62, imported_wh=100_000 + wh * done // 8,
                       exported_wh=5 + exported_wh * done // 8, **fields)  # fmt: skip
        at, place = at + 15 * MINUTE, place + 1
    if until >= 5 * MINUTE:
        last = {"imported_wh": 100_000 + wh, "exported_wh": 5 + exported_wh}
        nights.reading(part.enrollment.vehicle, at=part.event.ends_at + until, soc=62, **last, **fields)
