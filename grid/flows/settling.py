"""What each car delivered in an event and what it earned: computed once from readings, corrected by new rows only."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.flows.notices import notify
from foundation import clock
from grid.metering import evidence
from grid.metering.cases import Car, Case, Reading, Stay, Window
from grid.metering.energy import MISSING
from grid.metering.settlement import is_seen_after, readings_needed, settle
from grid.models import EventParticipation, GridEvent, Settlement
from rewards import ledger
from rewards.models import LedgerAccount
from vehicles.models import ChargeReading, PlugSession

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
ASK_AGAIN_AFTER = timedelta(minutes=10)
# Without readings from after the event's end nothing is known; so long they are waited for.
READINGS_DEADLINE = timedelta(hours=24)
CORRECTED_FOR = timedelta(days=7)
READINGS_AROUND = timedelta(hours=6)
MOST_READINGS = 2000


def settle_due(*, now: datetime, limit: int) -> int:
    """Settle up to `limit` events that are due, and correct what was missing; return how many settlements were made.

    A car whose readings from after the event have not come yet is waited for, until a deadline: then its energy is
    missing, which credits nothing and is corrected by a next revision when readings arrive. Cars whose owner opted
    out, or that were unable, took no part and get no settlement.
    """
    made = 0
    for event in _claim_events(now, limit):
        try:
            made += _settle_event(event, now)
        except Exception:
            logger.exception("event %s was not settled", event.public_id)
    for missing in _correctable(now)[:limit]:
        try:
            made += _settle_part(missing.participation, now, revision=missing.revision + 1) is not None
        except Exception:
            logger.exception("settlement %s was not corrected", missing.public_id)
    return made


def _claim_events(now: datetime, limit: int) -> list[GridEvent]:
    wall = clock.wall()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
    with transaction.atomic():
        due = GridEvent.objects.filter(free, state=GridEvent.State.ANNOUNCED, settle_at__lte=now)
        keys = list(
            due.order_by("settle_at", "pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
        )
        GridEvent.objects.filter(pk__in=keys).update(lease_until=wall + timedelta(seconds=LEASE_SECONDS))
    return list(GridEvent.objects.filter(pk__in=keys).order_by("settle_at", "pk"))


def _settle_event(event: GridEvent, now: datetime) -> int:
    parts = EventParticipation.objects.filter(
        event=event, state=EventParticipation.State.IN, settlements__isnull=True
    ).select_related("event__terms__program__utility", "enrollment__vehicle__owner", "enrollment__site")
    made, waiting, failed = 0, 0, 0
    for part in parts.order_by("pk"):
        try:
            settlement = _settle_part(part, now, revision=1)
        except Exception:
            logger.exception("participation %s was not settled", part.public_id)
            failed += 1
            continue
        made += settlement is not None
        waiting += settlement is None
    _close_event(event, now, is_done=not waiting and not failed)
    return made


def _close_event(event: GridEvent, now: datetime, *, is_done: bool) -> None:
    rows = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.ANNOUNCED)
    if is_done:
        rows.update(state=GridEvent.State.SETTLED, settled_at=now, lease_until=None)
    else:
        rows.update(settle_at=now + ASK_AGAIN_AFTER, lease_until=None)


def _correctable(now: datetime) -> list[Settlement]:
    """Return the newest settlements whose energy is missing although readings from after the event came since."""
    later = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    news = ChargeReading.objects.filter(
        vehicle=OuterRef("participation__enrollment__vehicle"),
        fetched_at__gt=OuterRef("created_at"),
        observed_at__gte=OuterRef("participation__event__starts_at"),
    )
    rows = Settlement.objects.filter(
        ~Exists(later), Exists(news), grade=Settlement.Grade.MISSING, created_at__gte=now - CORRECTED_FOR
    )
    return list(
        rows.select_related(
            "participation__event__terms__program__utility",
            "participation__enrollment__vehicle__owner",
            "participation__enrollment__site",
        ).order_by("created_at", "pk")
    )


def _settle_part(part: EventParticipation, now: datetime, *, revision: int) -> Settlement | None:
    """Settle one car's part; None where its readings are still waited for, or a correction would correct nothing."""
    event = part.event
    case = case_of(part)
    if not is_seen_after(case) and (revision > 1 or now < event.ends_at + READINGS_DEADLINE):
        return None
    result = settle(case)
    if result.grade == MISSING and revision > 1:
        return None
    terms = event.terms
    settlement, is_new = Settlement.objects.get_or_create(
        participation=part,
        revision=revision,
        defaults={
            "method": terms.baseline_method,
            "method_version": terms.baseline_version,
            "baseline_wh": result.baseline_wh,
            "net_wh": result.net_wh,
            "delivered_wh": result.delivered_wh,
            "credited_wh": result.credited_wh,
            "reward_micros_per_kwh": event.reward_micros_per_kwh,
            "amount_minor": result.amount_minor,
            "currency": terms.program.utility.currency,
            "grade": result.grade,
            "reason": result.reason,
            "evidence": evidence.write(case, result),
            "created_at": now,
        },
    )
    return settlement if is_new else None


def case_of(part: EventParticipation) -> Case:
    """Return what one car's settlement depends on, from its stays at home and its readings around the event."""
    event, vehicle, site = part.event, part.enrollment.vehicle, part.enrollment.site
    window = Window(event.starts_at, event.ends_at)
    return Case(
        kind=event.kind,
        event=window,
        car=Car(
            capacity_wh=vehicle.capacity_wh,
            charge_efficiency=vehicle.charge_efficiency,
            power_w=min(vehicle.max_charge_w, site.evse_max_charge_w),
        ),
        stays=tuple(_stays(vehicle.pk, window)),
        readings=readings_needed(tuple(_readings(vehicle.pk, window)), window),
        method=event.terms.baseline_method,
        method_version=event.terms.baseline_version,
        rate_micros_per_kwh=event.reward_micros_per_kwh,
        currency=event.terms.program.utility.currency,
    )


def _stays(vehicle_id: int, window: Window) -> Iterable[Stay]:
    rows = PlugSession.objects.filter(
        Q(unplugged_at__isnull=True) | Q(unplugged_at__gt=window.starts_at),
        vehicle=vehicle_id,
        is_at_home=True,
        plugged_in_at__lt=window.ends_at,
    )
    for row in rows.order_by("plugged_in_at"):
        yield Stay(row.plugged_in_at, row.unplugged_at, row.soc_percent, row.limit_percent)


def _readings(vehicle_id: int, window: Window) -> Iterable[Reading]:
    rows = ChargeReading.objects.filter(
        vehicle=vehicle_id,
        observed_at__gte=window.starts_at - READINGS_AROUND,
        observed_at__lte=window.ends_at + READINGS_AROUND,
    )
    values = rows.order_by("observed_at").values_list("observed_at", "soc_percent", "imported_wh", "exported_wh")
    for observed_at, soc_percent, imported_wh, exported_wh in values[:MOST_READINGS]:
        yield Reading(observed_at, soc_percent, imported_wh, exported_wh)


def post_due_settlements(*, now: datetime, limit: int) -> int:
    """Post up to `limit` settlements to the ledger, each once, and return how many were marked as posted.

    A settlement that earned nothing is marked without a transfer. Of a correction only what it adds is posted; one
    that takes away takes nothing from the owner.
    """
    due = Settlement.objects.filter(posted_at__isnull=True).select_related(
        "participation__event__terms__program__utility", "participation__enrollment__vehicle__owner"
    )
    posted = 0
    for settlement in due.order_by("created_at", "pk")[:limit]:
        try:
            posted += _post(settlement, now)
        except Exception:
            logger.exception("settlement %s was not posted", settlement.public_id)
    return posted


@transaction.atomic
def _post(settlement: Settlement, now: datetime) -> int:
    amount_minor = settlement.amount_minor - _posted_before(settlement)
    utility = settlement.participation.event.terms.program.utility
    owner = settlement.participation.enrollment.vehicle.owner
    if amount_minor > 0:
        ledger.post(
            key=f"settlement:{settlement.public_id}",
            debit=ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, utility.slug, settlement.currency),
            credit=ledger.account(
                LedgerAccount.Kind.OWNER_PAYABLE, str(owner.public_id), settlement.currency, owner=owner
            ),
            amount_minor=amount_minor,
            label=f"Event {settlement.participation.event.starts_at:%Y-%m-%d}",
            now=now,
        )
        _tell_owner(settlement, amount_minor, now)
    return Settlement.objects.filter(pk=settlement.pk, posted_at__isnull=True).update(posted_at=now)


def _posted_before(settlement: Settlement) -> int:
    """Return what earlier revisions brought the owner: the highest amount that any of them stated."""
    earlier = Settlement.objects.filter(
        participation=settlement.participation, revision__lt=settlement.revision, posted_at__isnull=False
    )
    return max(earlier.values_list("amount_minor", flat=True), default=0)


def _tell_owner(settlement: Settlement, amount_minor: int, now: datetime) -> None:
    event = settlement.participation.event
    notify(
        user=settlement.participation.enrollment.vehicle.owner,
        kind="settlement_posted",
        key=f"settlement:{settlement.public_id}",
        params={
            "amount_minor": amount_minor,
            "currency": settlement.currency,
            "energy": f"{settlement.credited_wh / 1000:.2f} kWh",
            "starts_at": event.starts_at.isoformat(),
            "settlement": str(settlement.public_id),
        },
        now=now,
    )
