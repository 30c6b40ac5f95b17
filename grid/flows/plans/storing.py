"""Plans are kept many at a time, by the worker whose claim still holds."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
from django.db import transaction

from grid.arrays.bulk import Made
from grid.arrays.slots import SLOT_MINUTES
from grid.flows.plans.cars import CarNow
from grid.flows.plans.fleet import Due
from grid.flows.plans.nights import RETRY_AFTER, Draft
from grid.flows.plans.staleness import VERSIONS_AN_EVENT
from grid.models import Plan, PlanningState
from grid.rows.column_writes import insert_rows, update_rows
from grid.rows.columns import row_by_row

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """One car's draft and its plan; no plan where it has an obstacle or the planner refused it."""

    draft: Draft
    due: Due
    made: Made | None
    has_new_habit: bool = False


def store_plans(planned: Sequence[Planned], *, lease_until: datetime, now: datetime) -> int:
    """Replace the cars' current plans, note what they were made from, and return how many plans were kept.

    A car whose claim until `lease_until` no longer holds is left to the worker that claimed it since. Where storing
    fails for all at once, each car is kept by itself, so that one car's failure is its own.
    """
    if not planned:
        return 0
    try:
        return _store(planned, lease_until, now)
    except Exception:
        if len(planned) == 1:
            logger.exception("plan of vehicle %s was not kept", planned[0].draft.car.vehicle.public_id)
            return 0
        logger.warning("%s plans were not kept at once; keeping them one by one", len(planned), exc_info=True)
        return sum(store_plans([one], lease_until=lease_until, now=now) for one in planned)


@transaction.atomic
@row_by_row()
def _store(planned: Sequence[Planned], lease_until: datetime, now: datetime) -> int:
    # Always in the same order, so that two workers never wait for each other.
    mine = PlanningState.objects.filter(pk__any_of=[one.due.state_id for one in planned], lease_until=lease_until)
    held = set(mine.order_by("pk").select_for_update().values_list("pk", flat=True))
    planned = sorted((one for one in planned if one.due.state_id in held), key=lambda one: one.due.state_id)
    if not planned:
        return 0
    replaced = [one.draft.car.vehicle.pk for one in planned if one.made is not None or one.draft.obstacle]
    Plan.objects.filter(vehicle__any_of=replaced, is_current=True).update(is_current=False)
    kept = [one for one in planned if one.made is not None]
    insert_rows(Plan, _plans(kept, now))
    for made, learnt in product((True, False), repeat=2):
        alike = [one for one in planned if (one.made is not None, one.has_new_habit) == (made, learnt)]
        if alike:
            update_rows(PlanningState, _notes(alike, now))
    return len(kept)


def _plans(planned: Sequence[Planned], now: datetime) -> dict[str, list[Any]]:
    count = len(planned)
    return {
        "public_id": _identities(count),
        "vehicle": [one.draft.car.vehicle.pk for one in planned],
        "made_at": [now] * count,
        "reason": [one.due.reason for one in planned],
        "starts_at": [one.draft.starts_at for one in planned],
        "slot_minutes": [SLOT_MINUTES] * count,
        "departure_at": [one.draft.departure_at for one in planned],
        "arrays": [one.made.packed for one in planned if one.made],
        "made_from": [one.draft.made_from_text(one.made) for one in planned if one.made],
        "is_current": [True] * count,
    }


def _identities(count: int) -> list[bytes]:
    """Return random UUIDs (version 4, RFC 9562) as bytes."""
    drawn = np.frombuffer(bytearray(os.urandom(16 * count)), dtype=np.uint8).reshape(count, 16)
    drawn[:, 6] = drawn[:, 6] & 0x0F | 0x40
    drawn[:, 8] = drawn[:, 8] & 0x3F | 0x80
    raw = drawn.tobytes()
    return [raw[at : at + 16] for at in range(0, len(raw), 16)]


def _notes(planned: Sequence[Planned], now: datetime) -> dict[str, list[Any]]:
    """Return what is noted of cars that all have a plan or none, and all a new habit or none."""
    cars = [one.draft.car for one in planned]
    notes: dict[str, list[Any]] = {
        "id": [one.due.state_id for one in planned],
        "due_at": [one.draft.next_due_at if one.made or one.draft.obstacle else now + RETRY_AFTER for one in planned],
        "lease_until": [None] * len(planned),
        "reason": ["time"] * len(planned),
        "planned_at": [now] * len(planned),
        "obstacle": [one.draft.obstacle or ("" if one.made else "planner") for one in planned],
        "preference_version": [car.preference.version if car.preference else 0 for car in cars],
        "site_version": [car.site.version if car.site else 0 for car in cars],
        "plug_session": [car.session.pk if car.session else None for car in cars],
        "override_mark": [sum(override.pk for override in car.overrides) for car in cars],
        "event_mark": [
            sum(part.event_id * VERSIONS_AN_EVENT + part.event.version for part in car.participations) for car in cars
        ],
        "prices_until": [_prices_until(car) for car in cars],
    }
    if planned[0].made:
        # A new plan is a reason to look at the car at once.
        notes["dispatch_at"] = [now] * len(planned)
    if planned[0].has_new_habit:
        notes["habit"] = [one.due.habit.as_text() if one.due.habit else None for one in planned]
        notes["learnt_at"] = [now] * len(planned)
    return notes


def _prices_until(car: CarNow) -> datetime | None:
    feed = car.site.tariff.price_feed if car.site else None
    return feed.latest_ends_at if feed else None
