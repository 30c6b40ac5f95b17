"""Tonight's plan for every car: made when due, made anew when what it was made from has changed."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from foundation import clock
from grid.flows.cars import OPEN_EVENT_STATES, CarNow, in_force_at, load_cars
from grid.flows.habits import Habit, learn_habits
from grid.flows.nights import Draft, draft_plan
from grid.flows.pricebook import PriceBook
from grid.models import EventParticipation, Plan, PlanningState, Site
from grid.planner.solve import plan_problems
from vehicles.models import ChargeOverride, PlugSession, Vehicle

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
RETRY_AFTER = timedelta(minutes=15)
KEPT_FOR = timedelta(days=2)
# One number for the set of events a car takes part in: it changes when one comes, goes or is changed.
VERSIONS_AN_EVENT = 1000


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

    A car that cannot be planned (no home, no consent, no reading, paused) loses its plan and says why in its
    PlanningState. One car's failure leaves the others' plans alone.
    """
    _enlist_new_cars(now=now, limit=limit)
    mark_stale(now=now)
    keys = PlanningState.objects.claim_plan_due(now=now, wall=clock.wall(), limit=limit, lease_seconds=LEASE_SECONDS)
    if not keys:
        return 0
    states = {state.vehicle_id: state for state in PlanningState.objects.filter(pk__in=keys)}
    cars = load_cars(states, now=now)
    habits = learn_habits(states, now=now)
    drafts = _drafts(cars, habits, now)
    solutions = plan_problems([problem for draft in drafts for problem in draft.problems])
    made, at = 0, 0
    for draft in drafts:
        options = solutions[at : at + len(draft.problems)]
        at += len(draft.problems)
        try:
            made += _keep(draft, options, states[draft.car.vehicle.pk], now)
        except Exception:
            logger.exception("plan of vehicle %s was not kept", draft.car.vehicle.public_id)
    return made


def mark_stale(*, now: datetime) -> int:
    """Make due each plan that no longer fits what holds at `now`, and return how many there were."""
    planned = PlanningState.objects.filter(due_at__gt=now, planned_at__isnull=False).annotate(**_marks(now))
    whens = [When(condition, then=Value(reason)) for reason, condition in _changes(now)]
    changed = planned.annotate(change=Case(*whens, default=Value(""))).exclude(change="")
    by_reason: dict[str, list[int]] = {}
    # The keys are read first: an UPDATE whose condition reads the same table is refused by some databases.
    for key, reason in changed.values_list("pk", "change"):
        by_reason.setdefault(reason, []).append(key)
    return sum(
        PlanningState.objects.filter(pk__in=keys, due_at__gt=now).update(due_at=now, reason=reason)
        for reason, keys in by_reason.items()
    )


def _changes(now: datetime) -> list[tuple[str, Q | Exists]]:
    """Return what makes a plan stale, the owner's own wishes first."""
    elsewhere = PlugSession.objects.filter(
        vehicle=OuterRef("vehicle"), unplugged_at__isnull=True, plugged_in_at__lte=now
    ).exclude(pk=Coalesce(OuterRef("plug_session"), Value(0)))
    return [
        ("owner", ~Q(override_now=F("override_mark"))),
        ("preference", ~Q(preference_now=F("preference_version"))),
        ("plug", Q(plug_session__unplugged_at__isnull=False)),
        ("plug", Exists(elsewhere)),
        ("event", ~Q(event_now=F("event_mark"))),
        ("home", ~Q(site_now=F("site_version"))),
        ("active", Q(obstacle="not_active", vehicle__state=Vehicle.State.ACTIVE, vehicle__is_controlling=True)),
        ("price", Q(prices_now__isnull=False) & (Q(prices_until__isnull=True) | Q(prices_now__gt=F("prices_until")))),
    ]


def _marks(now: datetime) -> dict[str, Any]:
    number = BigIntegerField()
    overrides = ChargeOverride.objects.filter(in_force_at(now), vehicle=OuterRef("vehicle"))
    parts = EventParticipation.objects.filter(
        enrollment__vehicle=OuterRef("vehicle"),
        enrollment__ended_at__isnull=True,
        state=EventParticipation.State.IN,
        event__state__in=OPEN_EVENT_STATES,
        event__ends_at__gt=now,
    )
    homes = Site.objects.filter(owner=OuterRef("vehicle__owner"))
    return {
        "override_now": _total(overrides.order_by().values("vehicle"), Sum("pk"), number),
        "event_now": _total(
            parts.order_by().values("enrollment__vehicle"),
            Sum(F("event") * VERSIONS_AN_EVENT + F("event__version"), output_field=number),
            number,
        ),
        "preference_now": Coalesce(F("vehicle__preference__version"), 0),
        "site_now": Coalesce(Subquery(homes.values("version")[:1]), 0),
        "prices_now": Subquery(homes.values("tariff__price_feed__latest_ends_at")[:1]),
    }


def _total(grouped: QuerySet[Any, Any], total: Any, number: "BigIntegerField[int, int]") -> Coalesce:
    return Coalesce(Subquery(grouped.annotate(total=total).values("total")[:1], output_field=number), 0)


def _enlist_new_cars(*, now: datetime, limit: int) -> None:
    fresh = Vehicle.objects.filter(state=Vehicle.State.ACTIVE, planning__isnull=True).order_by("pk")[:limit]
    rows = [PlanningState(vehicle=vehicle, due_at=now, dispatch_at=now, reason="new") for vehicle in fresh]
    PlanningState.objects.bulk_create(rows, ignore_conflicts=True)


def _drafts(cars: dict[int, CarNow], habits: dict[int, Habit], now: datetime) -> list[Draft]:
    prices = PriceBook()
    drafts = []
    for car in cars.values():
        try:
            drafts.append(draft_plan(car, habit=habits.get(car.vehicle.pk, Habit()), prices=prices, now=now))
        except Exception:
            logger.exception("plan of vehicle %s was not drafted", car.vehicle.public_id)
            PlanningState.objects.filter(vehicle=car.vehicle).update(due_at=now + RETRY_AFTER, lease_until=None)
    return drafts


@transaction.atomic
def _keep(draft: Draft, solutions: list[dict[str, object]], state: PlanningState, now: datetime) -> int:
    """Replace the car's current plan by the best of the solutions, and note what it was made from."""
    car = draft.car
    chosen, reason = draft.choose(solutions), state.reason
    _note_inputs(draft, state, now, is_planned=chosen is not None)
    if draft.obstacle:
        Plan.objects.filter(vehicle=car.vehicle, is_current=True).update(is_current=False)
        return 0
    if chosen is None:
        logger.error("planner refused vehicle %s: %s", car.vehicle.public_id, solutions[0].get("error"))
        return 0
    Plan.objects.filter(vehicle=car.vehicle, is_current=True).update(is_current=False)
    problem, solution, inputs = chosen
    Plan.objects.create(
        vehicle=car.vehicle,
        made_at=now,
        reason=reason,
        starts_at=draft.starts_at,
        departure_at=draft.departure_at,
        problem=problem,
        solution=solution,
        inputs=inputs,
    )
    # Old plans that carried no dispatch prove nothing; keeping every hourly plan would fill the database.
    Plan.objects.filter(vehicle=car.vehicle, made_at__lt=now - KEPT_FOR, is_current=False, dispatches=None).delete()
    return 1


def _note_inputs(draft: Draft, state: PlanningState, now: datetime, *, is_planned: bool) -> None:
    car = draft.car
    feed = car.site.tariff.price_feed if car.site else None
    state.due_at = draft.next_due_at if is_planned or draft.obstacle else now + RETRY_AFTER
    state.lease_until = None
    state.reason = "time"
    state.planned_at = now
    state.obstacle = draft.obstacle or ("" if is_planned else "planner")
    state.preference_version = car.preference.version if car.preference else 0
    state.site_version = car.site.version if car.site else 0
    state.plug_session = car.session
    state.override_mark = sum(override.pk for override in car.overrides)
    state.event_mark = sum(part.event_id * VERSIONS_AN_EVENT + part.event.version for part in car.participations)
    state.prices_until = feed.latest_ends_at if feed else None
    state.save(
        update_fields=[
            "due_at",
            "lease_until",
            "reason",
            "planned_at",
            "obstacle",
            "preference_version",
            "site_version",
            "plug_session",
            "override_mark",
            "event_mark",
            "prices_until",
        ]
    )
    if is_planned:
        # A new plan is a reason to look at the car at once.
        PlanningState.objects.filter(pk=state.pk).update(dispatch_at=now)
