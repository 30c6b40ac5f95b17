"""What tonight and the earnings show, as rows to watch: while their stamp is the same, both show the same."""

from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from accounts.models import Consent, Notice, NoticeSwitch
from foundation.stamps import Stamp, Watched, columns_of
from grid.models import (
    Dispatch,
    Enrollment,
    EventParticipation,
    GridEvent,
    Plan,
    PlanningState,
    Settlement,
    Site,
    StaySaving,
    Tariff,
)
from rewards.models import PayTerms
from rewards.stamps import OTHERS, PAID_TO, PAUSES, PAYOUTS, PURSES
from vehicles.stamps import CARS, DATES, DEPARTURES, OVERRIDES, READINGS, STAYS, WISHES

_EVENT = columns_of(GridEvent, but=["lease_until"], within="event__")


def _ahead(owner: int, at: datetime) -> QuerySet[Any]:
    return EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner, event__ends_at__gt=at, event__state=GridEvent.State.ANNOUNCED
    )


def _pay_terms(owner: int, at: datetime) -> QuerySet[Any]:
    joined = Enrollment.objects.filter(vehicle__owner=owner, ended_at__isnull=True).values("program__slug")
    in_force = Q(valid_until_at__isnull=True) | Q(valid_until_at__gt=at)
    return PayTerms.objects.filter(in_force, program__in=joined, valid_from_at__lte=at)


def _left_out(owner: int, at: datetime) -> QuerySet[Any]:
    del at
    return EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner, enrollment__ended_at__isnull=True, state=EventParticipation.State.OPTED_OUT
    )


CONSENTS = Watched(lambda owner, _at: Consent.objects.filter(user=owner, revoked_at=None), ["pk", "purpose"])
# What the bell in every page's head counts.
NOTICES = Watched(lambda owner, _at: Notice.objects.filter(user=owner, read_at__isnull=True), ["pk", "kind"])
SWITCHES = Watched(lambda owner, _at: NoticeSwitch.objects.filter(user=owner), columns_of(NoticeSwitch))
HOME = Watched(
    lambda owner, _at: Site.objects.filter(owner=owner),
    [*columns_of(Site, but=["address"]), *columns_of(Tariff, within="tariff__"), "tariff__utility__currency"],
)
PLANS = Watched(lambda owner, _at: Plan.objects.filter(vehicle__owner=owner, is_current=True), ["pk", "made_at"])
STEERED = Watched(
    lambda owner, _at: Dispatch.objects.filter(vehicle__owner=owner, stopped_at=None), columns_of(Dispatch)
)
OBSTACLES = Watched(lambda owner, _at: PlanningState.objects.filter(vehicle__owner=owner), ["pk", "obstacle"])
JOINED = Watched(
    lambda owner, _at: Enrollment.objects.filter(vehicle__owner=owner),
    [*columns_of(Enrollment), "program__name"],
)
AHEAD = Watched(_ahead, [*columns_of(EventParticipation, but=["frozen"]), *_EVENT])
LEFT_OUT = Watched(_left_out, ["pk", "event__cancelled_at", "event__starts_at"])
PAY_TERMS = Watched(_pay_terms, columns_of(PayTerms))

TONIGHT = Stamp(
    CARS,
    WISHES,
    DEPARTURES,
    DATES,
    READINGS,
    STAYS,
    OVERRIDES,
    CONSENTS,
    NOTICES,
    SWITCHES,
    HOME,
    PLANS,
    STEERED,
    OBSTACLES,
    JOINED,
    AHEAD,
    LEFT_OUT,
    PAY_TERMS,
)


_VERSION = "participation__event__version"
_FILLED_IN = [field.attname for field in Settlement._meta.concrete_fields if field.null]  # noqa: SLF001


def _settled(owner: int, at: datetime) -> QuerySet[Any]:
    """Return one row a car: settlements are added, and what is empty may be filled in, but nothing is ever edited."""
    del at
    rows = Settlement.objects.filter(participation__enrollment__vehicle__owner=owner)
    filled = {f"filled_{name}": Count(name) for name in _FILLED_IN}
    return rows.values(car=F("participation__enrollment__vehicle")).annotate(
        all=Count("pk"), newest=Max("pk"), minor=Sum("amount_minor"), events=Sum(_VERSION), **filled
    )


def _to_settle(owner: int, at: datetime) -> QuerySet[Any]:
    return EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner, event__ends_at__lte=at, settlements__isnull=True
    )


def _weighed(owner: int, at: datetime) -> QuerySet[Any]:
    """Return one row a car: stays are weighed once."""
    del at
    rows = StaySaving.objects.filter(plug_session__vehicle__owner=owner)
    return rows.values(car=F("plug_session__vehicle")).annotate(all=Count("pk"), newest=Max("pk"))


SETTLED = Watched(_settled, ["car", "all", "newest", "minor", "events", *(f"filled_{name}" for name in _FILLED_IN)])
TO_SETTLE = Watched(_to_settle, ["pk", "state", "event__cancelled_at"])
WEIGHED = Watched(_weighed, ["car", "all", "newest"])
EARNINGS = Stamp(CARS, JOINED, NOTICES, SWITCHES, SETTLED, TO_SETTLE, WEIGHED, PURSES, PAYOUTS, PAID_TO, OTHERS, PAUSES)
SETTLEMENTS = Stamp(CARS, SETTLED)
