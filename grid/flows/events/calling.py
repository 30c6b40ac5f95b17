"""Whom an event asks: no more cars than it needs, everybody in turn, and others in place of those that fall short."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db.models import Count

from grid.flows.plans.nudges import pull_forward
from grid.models import EventParticipation, GridEvent, PlanningState
from grid.rules import loop
from grid.rules.loop import Part

Call = EventParticipation.Call
# How far back it counts who was asked how often.
TURNS_COUNTED = timedelta(days=30)
# What a car is taken to give where nothing is known of its night yet: many are full, away or not plugged in.
LIKELY = 0.5
HOUR = timedelta(hours=1)


def hold_back(event: GridEvent, *, now: datetime) -> int:
    """Put the cars that the event does not need into reserve, and return how many; everybody's turn comes.

    Their owners were told and may stay: a car in reserve is asked as soon as another one falls short. Where nobody
    knows yet what the cars can give, half of their power is counted.
    """
    taking_part = EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN)
    rows = list(
        taking_part.values_list(
            "pk",
            "enrollment__vehicle",
            "committed_wh",
            "enrollment__vehicle__max_charge_w",
            "enrollment__vehicle__max_discharge_w",
        )
    )
    calls = calls_before([row[1] for row in rows], event=event, now=now)
    hours = (event.ends_at - event.starts_at) / HOUR
    parts = []
    for key, vehicle_id, committed_wh, charge_w, discharge_w in rows:
        power_w = charge_w + (discharge_w if event.kind == GridEvent.Kind.DISCHARGE else 0)
        likely_w = round(committed_wh / hours) if committed_wh > 0 else round(power_w * LIKELY)
        parts.append(Part(key, 0, spare_w=likely_w, calls_before=calls.get(vehicle_id, 0)))
    reserve = loop.choose_reserve(parts, asked_w=event.target_w, seed=str(event.public_id))
    return EventParticipation.objects.filter(pk__any_of=reserve, call=Call.PLAN).update(call=Call.RESERVE)


def calls_before(vehicle_ids: Collection[int], *, event: GridEvent, now: datetime) -> dict[int, int]:
    """Return how often each car was asked in the program's events of the last 30 days, by vehicle key."""
    rows = EventParticipation.objects.filter(
        enrollment__vehicle__any_of=vehicle_ids,
        event__terms__program=event.terms.program_id,
        event__starts_at__gt=now - TURNS_COUNTED,
        state=EventParticipation.State.IN,
    ).exclude(call=Call.RESERVE)
    counted = rows.exclude(event=event).order_by().values_list("enrollment__vehicle").annotate(Count("pk"))
    return dict(counted)


def call(parts: Sequence[Part], *, now: datetime) -> None:
    """Ask these cars for what they can give: those in reserve by a plan, the others beyond theirs."""
    reserve = [part.key for part in parts if part.is_reserve]
    pressed = [part.key for part in parts if not part.is_reserve]
    rows = EventParticipation.objects
    rows.filter(pk__any_of=reserve, call=Call.RESERVE).update(call=Call.PLAN, called_at=now)
    rows.filter(pk__any_of=pressed, call=Call.PLAN).update(call=Call.PRESSED, called_at=now)
    vehicles = rows.filter(pk__any_of=[*reserve, *pressed]).values_list("enrollment__vehicle", flat=True)
    pull_forward(list(vehicles), reason="event", now=now)
    at_once = rows.filter(pk__any_of=pressed).values("enrollment__vehicle")
    PlanningState.objects.filter(vehicle__in=at_once, dispatch_at__gt=now).nudge(dispatch_at=now)
