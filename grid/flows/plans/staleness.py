"""Which plans no longer fit what holds now, noticed by comparing what they were made from.

The whole fleet is compared a slice at a time, so that one look costs the same however many cars there are; what owners
and cars have just done is compared at once. A small fleet is one slice, so each look sees all of it. Nothing depends on
a look having come to its end: what one missed, the next round finds.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from grid.flows.plans.cars import OPEN_EVENT_STATES, in_force_at
from grid.models import EventParticipation, PlanningState, PlanningWatch, Site
from vehicles.models import ChargeOverride, ChargePreference, PlugSession, Vehicle

# One number for the set of events a car takes part in: it changes when one comes, goes or is changed.
VERSIONS_AN_EVENT = 1000


# How many cars one look compares: at one look in five seconds a fleet of 100,000 is gone through in under a minute.
SLICE = 10_000
# What happened so long before the last look is looked at again: it may have been written late.
SLACK = timedelta(minutes=5)


@transaction.atomic
def mark_stale(*, now: datetime) -> int:
    """Make due each plan of the next slice that no longer fits what holds at `now`, and return how many there were.

    Plans of the whole fleet whose owner or car has just done something are looked at too. Of two looks at the same
    time one does nothing.
    """
    watch = PlanningWatch.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if watch is None:
        watch, is_first = PlanningWatch.objects.get_or_create(pk=1)
        if not is_first:  # somebody else is looking
            return 0
    is_new_round = watch.after == 0
    slice_ = PlanningState.objects.filter(pk__gt=watch.after).order_by("pk")
    ends = slice_.values_list("pk", flat=True)[SLICE - 1 : SLICE].first()
    marked = _mark(slice_ if ends is None else slice_.filter(pk__lte=ends), now)
    if not (is_new_round and ends is None):
        lately = _lately(watch, now)
        marked += _mark(PlanningState.objects.filter(vehicle__any_of=lately), now) if lately else 0
    newest = PlugSession.objects.order_by("-pk").values_list("pk", flat=True).first()
    watch.after, watch.looked_at, watch.last_stay = ends or 0, now, newest or 0
    watch.save()
    return marked


def _lately(watch: PlanningWatch, now: datetime) -> set[int]:
    """Return the cars whose owner or plug has changed since the last look."""
    since = (watch.looked_at or now) - SLACK
    said = ChargeOverride.objects.filter(Q(starts_at__gt=since) | Q(cancelled_at__gt=since))
    wishes = ChargePreference.objects.filter(changed_at__gt=since)
    stays = PlugSession.objects.filter(pk__gt=watch.last_stay)
    return {key for rows in (said, wishes, stays) for key in rows.order_by().values_list("vehicle", flat=True)[:SLICE]}


def _mark(states: "QuerySet[PlanningState, PlanningState]", now: datetime) -> int:
    planned = states.filter(due_at__gt=now, planned_at__isnull=False).annotate(**_marks(now))
    whens = [When(condition, then=Value(reason)) for reason, condition in _changes(now)]
    changed = planned.annotate(change=Case(*whens, default=Value(""))).exclude(change="")
    by_reason: dict[str, list[int]] = {}
    # The keys are read first: an UPDATE whose condition reads the same table is refused by some databases.
    for key, reason in changed.values_list("pk", "change"):
        by_reason.setdefault(reason, []).append(key)
    return sum(
        PlanningState.objects.filter(pk__any_of=keys, due_at__gt=now).nudge(due_at=now, reason=reason)
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
    ).exclude(call=EventParticipation.Call.RESERVE)
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
