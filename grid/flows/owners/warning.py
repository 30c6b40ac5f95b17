"""Warnings that something will not be as promised: a departure at risk, terms that change."""

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from accounts.flows.notices import notify, notify_all
from grid.models import Enrollment, Plan, ProgramTerms, RiskWatch, TermsNotice

logger = logging.getLogger(__name__)

SOON = timedelta(hours=12)
NOT_WORTH_A_WORD_PERCENT = 2.0
MOST_OWNERS = 100_000


class Shortfall(NamedTuple):
    """What a car will have when it leaves, and what its owner wants; both in percent."""

    departure_at: datetime
    ready_percent: int
    wanted_percent: int


def warn_of_departures(*, now: datetime, limit: int) -> int:
    """Look through up to `limit` plans made since the last look, and return how many departures are at risk.

    An owner is told once a departure, however often it is planned anew.
    """
    watch, _ = RiskWatch.objects.get_or_create(pk=1)
    rows = Plan.objects.filter(pk__gt=watch.after).order_by("pk")
    newest = list(rows.values_list("pk", flat=True)[:limit])
    if not newest:
        return 0
    soon = Plan.objects.filter(
        pk__in=newest, is_current=True, departure_at__gt=now, departure_at__lte=now + SOON, vehicle__state="active"
    )
    warned = 0
    for plan in soon.select_related("vehicle__owner").defer("vehicle__vin", "vehicle__external_id"):
        try:
            warned += _warn(plan, now)
        except Exception:
            logger.exception("plan %s was not looked at", plan.public_id)
    RiskWatch.objects.filter(pk=1, after=watch.after).update(after=newest[-1])
    return warned


def _warn(plan: Plan, now: datetime) -> bool:
    short = shortfall(plan, now=now)
    if short is None:
        return False
    notify(
        user=plan.vehicle.owner,
        kind="departure_at_risk",
        key=f"departure_at_risk:{plan.vehicle.public_id}:{short.departure_at:%Y%m%dT%H%M}",
        params={
            "vehicle": str(plan.vehicle),
            "vehicle_id": str(plan.vehicle.public_id),
            "departure_at": short.departure_at.isoformat(),
            "ready_percent": short.ready_percent,
            "wanted_percent": short.wanted_percent,
        },
        now=now,
    )
    return True


def shortfall(plan: Plan, *, now: datetime) -> Shortfall | None:
    """Return what will be missing at the plan's next departure, or None where it is kept, or no news to the owner.

    No news are a car that is not at its plug (another notice says so), one that charges as fast as it can at its
    owner's word, and a target above what the car itself lets in.
    """
    slot_now = plan.slot_at(now)
    if plan.departure_at is None or slot_now is None or not plan.problem["plugged"][slot_now]:
        return None
    slot = int((plan.departure_at - plan.starts_at) // timedelta(minutes=plan.slot_minutes))
    wanted = [target["soc_percent"] for target in plan.problem["targets"] if target["slot"] == slot]
    if not wanted or plan.made_from.get("override") == "charge_now":
        return None
    reachable = min(max(wanted), float(plan.problem.get("max_percent", 100.0)))
    ready = plan.solution["soc_percent"][slot]
    if ready >= reachable - NOT_WORTH_A_WORD_PERCENT:
        return None
    # Rounded down, so that a promise is never larger than the plan.
    return Shortfall(plan.departure_at, int(ready + 1e-6), round(max(wanted)))


def tell_of_changed_terms(*, now: datetime, limit: int) -> int:
    """Tell the owners in a program of up to `limit` new versions of its terms, and return how many were told of.

    A program's first terms are nobody's change, nor are those that held when an owner joined.
    """
    told = 0
    rows = ProgramTerms.objects.filter(told__isnull=True).select_related("program__utility")
    for terms in rows.order_by("valid_from_at", "pk")[:limit]:
        earlier = ProgramTerms.objects.filter(program=terms.program, version__lt=terms.version)
        if earlier.exists():
            _tell_of_terms(terms, now)
            told += 1
        TermsNotice.objects.get_or_create(terms=terms, defaults={"told_at": now})
    return told


def _tell_of_terms(terms: ProgramTerms, now: datetime) -> None:
    open_ones = Enrollment.objects.filter(
        program=terms.program, ended_at__isnull=True, enrolled_at__lt=terms.valid_from_at
    )
    notify_all(
        user_ids=open_ones.values_list("vehicle__owner", flat=True)[:MOST_OWNERS],
        kind="program_changed",
        key=f"program_changed:{terms.program.public_id}:{terms.version}",
        params={
            "program": terms.program.name,
            "version": terms.version,
            "valid_from_at": terms.valid_from_at.isoformat(),
            "reward_micros": terms.reward_micros_per_kwh,
            "currency": terms.program.utility.currency,
        },
        now=now,
    )
