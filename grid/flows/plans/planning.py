"""Tonight's plan for every car: made when due, made anew when what it was made from has changed."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from foundation import clock
from grid.arrays.bulk import Made, plan_nights
from grid.flows.dispatch.capping import keep_caps
from grid.flows.plans.fleet import Due, load_fleet
from grid.flows.plans.habits import learn_habits, usual_early
from grid.flows.plans.nights import RETRY_AFTER, Draft, draft_plan
from grid.flows.plans.staleness import mark_stale
from grid.flows.plans.storing import Planned, store_plans
from grid.flows.prices.pricebook import PriceBook
from grid.models import Plan, PlanningState, PlanningWatch
from grid.rows.columns import row_by_row
from vehicles.models import Vehicle

__all__ = ["ask_plan", "current_plan", "mark_stale", "plan_due"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
BATCH = 4000


@dataclass(frozen=True)
class Loaded:
    """Cars claimed for planning until `lease_until` (wall time), and the keys of those whose habits are new.

    `usual_early` is how early owners leave, the prior of those of whom little is known.
    """

    due: Sequence[Due]
    lease_until: datetime
    learnt: frozenset[int] = frozenset()
    usual_early: tuple[int, ...] = ()


def ask_plan(*, vehicle: Vehicle, reason: str, at: datetime) -> None:
    """Make the car's next plan due at `at` or earlier; `reason` (a key) is shown with the plan."""
    state, is_new = PlanningState.objects.get_or_create(
        vehicle=vehicle, defaults={"due_at": at, "reason": reason, "dispatch_at": at}
    )
    if not is_new:
        PlanningState.objects.filter(pk=state.pk, due_at__gt=at).update(due_at=at, reason=reason)


def current_plan(vehicle: Vehicle) -> Plan | None:
    """Return the plan that counts for the car, or None."""
    return Plan.objects.filter(vehicle=vehicle, is_current=True).first()


def plan_due(*, now: datetime, limit: int) -> int:
    """Plan up to `limit` cars whose plan is due or out of date, and return how many plans were made.

    Cars are planned in batches, each with a fixed number of queries. A car that cannot be planned (no home, no
    consent, no reading, paused) loses its plan and says why in its PlanningState. One car's failure leaves the others'
    plans alone.
    """
    if not PlanningWatch.objects.filter(after__gt=0).exists():  # once a round, as it looks at every car
        _enlist_new_cars(now=now, limit=limit)
    mark_stale(now=now)
    made, left = 0, limit
    while left > 0:
        loaded = load_due(now=now, limit=min(left, BATCH))
        if not loaded.due:
            break
        made += store_plans(make_plans(loaded, now=now), lease_until=loaded.lease_until, now=now)
        left -= len(loaded.due)
    return made


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python's garbage collector from walking through a whole batch again and again; it leaves no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@collector_at_rest()
def load_due(*, now: datetime, limit: int) -> Loaded:
    """Claim up to `limit` cars that are due and return all that planning needs to know of them."""
    wall = clock.wall()
    with row_by_row():
        keys = PlanningState.objects.claim_plan_due(now=now, wall=wall, limit=limit, lease_seconds=LEASE_SECONDS)
    with row_by_row():
        due = load_fleet(keys, now=now) if keys else []
        habits = learn_habits([one.car for one in due if one.habit is None], now=now)
    return Loaded(
        due=[replace(one, habit=habits[one.car.vehicle.pk]) if one.habit is None else one for one in due],
        lease_until=wall + timedelta(seconds=LEASE_SECONDS),
        learnt=frozenset(habits),
        usual_early=usual_early(now=now),
    )


@collector_at_rest()
def make_plans(loaded: Loaded, *, now: datetime) -> list[Planned]:
    """Plan every loaded car at once; cars that cannot be drafted or planned say so."""
    drafts = _drafts(loaded, now)
    ready = [(place, draft.night) for place, (_, draft) in enumerate(drafts) if draft.night is not None]
    made: dict[int, Made] = {}
    try:
        plans = plan_nights([night for _, night in ready])
        made = {place: plan for (place, _), plan in zip(ready, plans, strict=True)}
    except Exception:
        # One impossible car shall not cost the others their plans: they are planned one by one.
        logger.exception("a batch of %s cars was not planned at once", len(ready))
        for place, night in ready:
            try:
                made[place] = plan_nights([night])[0]
            except Exception:
                logger.exception("planner refused vehicle %s", night.name)
    wires = [(place, night, drafts[place][1].car.site) for place, night in ready]
    hanging = [(place, night, site.feeder_id if site else None) for place, night, site in wires]
    made = keep_caps(hanging, made, now=now)
    return [
        Planned(draft, one, made.get(place), has_new_habit=draft.car.vehicle.pk in loaded.learnt)
        for place, (one, draft) in enumerate(drafts)
    ]


def _enlist_new_cars(*, now: datetime, limit: int) -> None:
    fresh = Vehicle.objects.filter(state=Vehicle.State.ACTIVE, planning__isnull=True).order_by("pk")[:limit]
    rows = [PlanningState(vehicle=vehicle, due_at=now, dispatch_at=now, reason="new") for vehicle in fresh]
    PlanningState.objects.bulk_create(rows, ignore_conflicts=True)


def _drafts(loaded: Loaded, now: datetime) -> list[tuple[Due, Draft]]:
    prices = PriceBook()
    drafts = []
    for one in loaded.due:
        try:
            assert one.habit is not None
            drafts.append(
                (one, draft_plan(one.car, habit=one.habit, prices=prices, usual_early=loaded.usual_early, now=now))
            )
        except Exception:
            logger.exception("plan of vehicle %s was not drafted", one.car.vehicle.public_id)
            PlanningState.objects.filter(pk=one.state_id).update(due_at=now + RETRY_AFTER, lease_until=None)
    return drafts
