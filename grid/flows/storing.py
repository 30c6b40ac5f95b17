"""Plans are kept many at a time; old ones that proved nothing are forgotten."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from grid.bulk import Made
from grid.flows.nights import RETRY_AFTER, Draft
from grid.flows.staleness import VERSIONS_AN_EVENT
from grid.models import Plan, PlanningState

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=2)
NOTED = [
    "due_at", "lease_until", "reason", "planned_at", "obstacle", "preference_version", "site_version", "plug_session",
    "override_mark", "event_mark", "prices_until", "dispatch_at",
]  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """One car's draft and its plan; no plan where it has an obstacle or the planner refused it."""

    draft: Draft
    state: PlanningState
    made: Made | None


def store_plans(planned: Sequence[Planned], *, now: datetime) -> int:
    """Replace the cars' current plans, note what they were made from, and return how many plans were kept.

    Where that fails for all at once, each car is kept by itself, so that one car's failure is its own.
    """
    if not planned:
        return 0
    try:
        return _store(planned, now)
    except Exception:
        if len(planned) == 1:
            logger.exception("plan of vehicle %s was not kept", planned[0].draft.car.vehicle.public_id)
            return 0
        logger.warning("%s plans were not kept at once; keeping them one by one", len(planned), exc_info=True)
        return sum(store_plans([one], now=now) for one in planned)


@transaction.atomic
def _store(planned: Sequence[Planned], now: datetime) -> int:
    plans = [_plan(one.draft, one.made, one.state.reason, now) for one in planned if one.made is not None]
    replaced = [one.draft.car.vehicle.pk for one in planned if one.made is not None or one.draft.obstacle]
    Plan.objects.filter(vehicle__in=replaced, is_current=True).update(is_current=False)
    Plan.objects.bulk_create(plans)
    for one in planned:
        _note(one, now)
    # One statement for all rows; always in the same order, so that two workers never wait for each other.
    states = sorted((one.state for one in planned), key=lambda state: state.pk)
    PlanningState.objects.bulk_create(states, update_conflicts=True, unique_fields=["id"], update_fields=NOTED)
    _forget_old_plans(replaced, now)
    return len(plans)


def _plan(draft: Draft, made: Made, reason: str, now: datetime) -> Plan:
    assert draft.night is not None
    return Plan(
        vehicle=draft.car.vehicle,
        made_at=now,
        reason=reason,
        starts_at=draft.night.slots.starts_at,
        departure_at=draft.departure_at,
        arrays=made.packed,
        made_from={
            **draft.made_from,
            "with_rewards": made.with_rewards,
            "expected_reward": list(made.expected_reward),
        },
    )


def _note(one: Planned, now: datetime) -> None:
    draft, state, car = one.draft, one.state, one.draft.car
    feed = car.site.tariff.price_feed if car.site else None
    state.due_at = draft.next_due_at if one.made or draft.obstacle else now + RETRY_AFTER
    state.lease_until = None
    state.reason = "time"
    state.planned_at = now
    state.obstacle = draft.obstacle or ("" if one.made else "planner")
    state.preference_version = car.preference.version if car.preference else 0
    state.site_version = car.site.version if car.site else 0
    state.plug_session = car.session
    state.override_mark = sum(override.pk for override in car.overrides)
    state.event_mark = sum(part.event_id * VERSIONS_AN_EVENT + part.event.version for part in car.participations)
    state.prices_until = feed.latest_ends_at if feed else None
    if one.made:
        # A new plan is a reason to look at the car at once.
        state.dispatch_at = now


def _forget_old_plans(vehicle_ids: Sequence[int], now: datetime) -> None:
    # Old plans that carried no dispatch prove nothing; keeping every hourly plan would fill the database.
    old = Plan.objects.filter(vehicle__in=vehicle_ids, made_at__lt=now - KEPT_FOR, is_current=False, dispatches=None)
    if keys := list(old.values_list("pk", flat=True)):
        Plan.objects.filter(pk__in=keys).delete()
