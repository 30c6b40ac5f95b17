"""The desk's first page: what the cars could do, and what came of what was asked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from foundation import clock
from foundation.templatetags.show import locale_for
from grid.arrays.slots import SLOT_MINUTES
from grid.flows.desk.departures import departures_kept
from grid.flows.desk.events import EventLine, event_lines, events_of
from grid.flows.desk.power import Available, available_power
from grid.models import GroupSettlement
from grid.views.desk.doors import Desk, desk_read, show

SHOWN = 12
LOOK_BACK = timedelta(days=30)


@desk_read
def overview(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Show power available now and over the next day, events asked, and how asking has gone."""
    now = clock.now()
    events = events_of(desk.utility).exclude(state="cancelled")
    ahead = event_lines(events.filter(ends_at__gt=now).order_by("starts_at")[:SHOWN], now=now)
    past = event_lines(events.filter(ends_at__lte=now, ends_at__gt=now - LOOK_BACK), now=now)
    power = available_power(desk.utility, now=now)
    is_small = power.cars < settings.UTILITY_SMALLEST_GROUP
    context = {
        "power": power,
        "is_small": is_small,
        "smallest": settings.UTILITY_SMALLEST_GROUP,
        "chart": None if is_small or not power.slots else power_chart(desk, power),
        "running": [line for line in ahead if line.phase == "running"],
        "upcoming": [line for line in ahead if line.phase == "upcoming"],
        "past": past[:SHOWN],
        "to_review": to_review(desk, past) if desk.can_review else [],
        "sums": sums_of(past) | ({"opt_out_percent": None} if is_small else {}),
        "kept": None if is_small else departures_kept(desk.utility, now=now),
    }
    return show(request, desk, "overview", context)


def to_review(desk: Desk, past: Sequence[EventLine]) -> list[EventLine]:
    """Return what waits for the utility's word."""
    del desk
    return [line for line in past if line.group is not None and line.group.review == GroupSettlement.Review.OPEN]


def sums_of(past: Sequence[EventLine]) -> dict[str, Any]:
    """Return delivered and asked energy over the settled events, and the share of opt-outs."""
    settled = [line for line in past if line.shown_wh is not None]
    asked_wh = sum(
        line.event.target_w * (line.event.ends_at - line.event.starts_at) / timedelta(hours=1) for line in settled
    )
    delivered_wh = sum(line.shown_wh or 0 for line in settled)
    asked_cars = sum(line.cars_in + line.control + line.opted_out + line.unable for line in past)
    return {
        "events": len(settled),
        "asked_wh": round(asked_wh),
        "delivered_wh": delivered_wh,
        "delivered_percent": 100 * delivered_wh / asked_wh if asked_wh else None,
        "opt_out_percent": 100 * sum(line.opted_out for line in past) / asked_cars if asked_cars else None,
    }


def power_chart(desk: Desk, power: Available) -> dict[str, Any]:
    """Return what `components/lines_chart.html` draws of the coming day."""
    return {
        "startsAt": power.slots[0].starts_at.isoformat(),
        "slotMinutes": SLOT_MINUTES,
        "lines": [
            {"name": "hold", "values": [slot.hold_kw for slot in power.slots]},
            {"name": "discharge", "values": [slot.discharge_kw for slot in power.slots]},
            {"name": "sure", "values": [slot.sure_kw for slot in power.slots]},
        ],
        "zone": desk.utility.time_zone,
        "locale": locale_for(desk.person.country),
    }
