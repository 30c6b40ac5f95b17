"""Letting a car charge again: the one way in which a hold or discharge is ended before or at its time.

Nothing here calls a maker; it leaves a due resume command, which the senders and the watchdog carry out.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Consent
from vehicles.flows import switching
from vehicles.models import ChargeOverride, ChargeReading, Command, HomeCharger, MakerSwitch, StopOrder, Vehicle
from vehicles.models.commands import CommandQuerySet

logger = logging.getLogger(__name__)

# A stop whose answer was lost may reach the car late, after it had been told to resume.
LATE_STOP_WINDOW = timedelta(hours=2)
# Somebody else's schedule may be at work: a car is not fought with all night.
MOST_CORRECTIONS = 2
ONE_NIGHT = timedelta(hours=12)
AT_ONCE = 500
IDLE_BELOW_LIMIT_PERCENT = 2
AGAINST_OTHERS = "foreign"
CORRECTIONS = ("stuck", AGAINST_OTHERS)


def release_vehicle(*, vehicle: Vehicle, reason: str, now: datetime) -> Command | None:
    """End whatever holds or discharges the car: drop what was not sent yet, and leave a resume for what was.

    Returns the resume that is under way, or None where nothing had been sent. May be called again at will: one hold
    has one resume.
    """
    with transaction.atomic():
        Command.objects.risk_adding().filter(vehicle=vehicle, state=Command.State.DUE).update(
            state=Command.State.SUPERSEDED, released_at=now, failure=reason[:60]
        )
        under_way = Command.objects.open_resumes().filter(vehicle=vehicle).first()
        if under_way is not None:
            if under_way.switch_w and not switching.is_patient(reason):  # somebody waits for it now
                Command.objects.filter(pk=under_way.pk, state=Command.State.DUE).update(switch_w=0, due_at=now)
            return under_way
        hold = still_held(vehicle, now=now).order_by("-created_at").first()
        if hold is None:
            return None
        return leave_resume(
            vehicle, key=f"release:{hold.public_id}", reason=reason, via=hold.via_charger, hold=hold, now=now
        )


def release_all(*, reason: str, now: datetime) -> int:
    """End whatever holds or discharges any car, as `release_vehicle` does for one, and return how many cars that is.

    What gives energy back is released first, and nothing of it takes turns.
    """
    waiting = Command.objects.filter(state=Command.State.DUE)
    with transaction.atomic():
        unsent = _locked(waiting.risk_adding())
        unsent.update(state=Command.State.SUPERSEDED, released_at=now, failure=reason[:60])
    is_over = Q(ended_by=Command.EndedBy.CAR, ends_at__lte=now)
    under_way = Command.objects.open_resumes().filter(vehicle=OuterRef("vehicle"))
    with transaction.atomic():
        _locked(waiting.open_resumes().filter(switch_w__gt=0)).update(switch_w=0, due_at=now)
    held = Command.objects.open_holds().exclude(is_over).exclude(Exists(under_way))
    newest: dict[int, Command] = {}
    for hold in held.order_by("vehicle", "created_at").only("vehicle_id", "public_id", "via_charger_id", "kind"):
        newest[hold.vehicle_id] = hold
    holds = sorted(newest.values(), key=lambda hold: hold.kind != Command.Kind.DISCHARGE)
    for first in range(0, len(holds), AT_ONCE):
        _leave_resumes(holds[first : first + AT_ONCE], reason=reason, now=now)
    return len(holds)


def _locked(rows: CommandQuerySet) -> CommandQuerySet:
    """Lock many commands in the order in which whoever gives them turns does, and return those that are so still."""
    keys = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    return rows.filter(pk__in=keys)


def _leave_resumes(holds: Sequence[Command], *, reason: str, now: datetime) -> None:
    keys = [f"release:{hold.public_id}" for hold in holds]
    Command.objects.bulk_create(
        [
            Command(
                key=key,
                vehicle_id=hold.vehicle_id,
                kind=Command.Kind.RESUME,
                reason=reason[:40],
                via_charger_id=hold.via_charger_id,
                due_at=now,
                created_at=now,
            )
            for key, hold in zip(keys, holds, strict=True)
        ],
        ignore_conflicts=True,
    )
    given_up = Command.objects.filter(key__in=keys).exclude(state__in=Command.UNFINISHED)
    given_up.update(state=Command.State.DUE, due_at=now, retry_at=None, switch_w=0)


def still_held(vehicle: Vehicle, *, now: datetime) -> QuerySet[Command]:
    """Return the car's holds and discharges that need somebody to end them: a car ends its timed ones by itself."""
    is_over = Q(ended_by=Command.EndedBy.CAR, ends_at__lte=now)
    return Command.objects.open_holds().filter(vehicle=vehicle).exclude(is_over)


def leave_resume(
    vehicle: Vehicle,
    *,
    key: str,
    reason: str,
    now: datetime,
    via: HomeCharger | None = None,
    hold: Command | None = None,
) -> Command:
    """Leave a due resume under `key` and return it; one that was given up comes back to life.

    It goes the way that the hold went: through the wall box `via`, or to the car. Where nobody waits for it, it takes
    its turn under the limit on switched power that the `hold` was under.
    """
    is_patient = hold is not None and switching.is_patient(reason)
    resume, is_new = Command.objects.get_or_create(
        key=key,
        defaults={
            "vehicle": vehicle,
            "kind": Command.Kind.RESUME,
            "reason": reason[:40],
            "via_charger": via,
            "switch_group": hold.switch_group if hold and is_patient else "",
            "switch_w": hold.charge_w - min(0, hold.power_w) if hold and hold.switch_group and is_patient else 0,
            "due_at": now,
            "created_at": now,
        },
    )
    if is_new:
        logger.info("resume %s due: %s", resume.public_id, reason)
    elif resume.state not in Command.UNFINISHED:
        # It had been given up or replaced while the hold was still open, so the car needs it again.
        resume.state, resume.due_at, resume.retry_at = Command.State.DUE, now, None
        resume.save(update_fields=["state", "due_at", "retry_at"])
    elif resume.switch_w and not is_patient:  # somebody waits for it now
        Command.objects.filter(pk=resume.pk, state=Command.State.DUE).update(switch_w=0, due_at=now)
    return resume


def close_holds(vehicle: Vehicle, *, sent_before: datetime, now: datetime) -> int:
    """Note that every hold and discharge sent to the car before `sent_before` is over; returns how many were."""
    rows = Command.objects.open_holds().filter(vehicle=vehicle, sent_at__lte=sent_before)
    unsure = rows.filter(state__in=(Command.State.ACCEPTED, Command.State.UNKNOWN))
    replaced = unsure.update(state=Command.State.SUPERSEDED, released_at=now)
    return replaced + rows.update(released_at=now)


def end_timed_holds(*, now: datetime) -> int:
    """Note which timed holds are over; the car ended them itself. Returns how many."""
    over = Command.objects.open_holds().filter(ended_by=Command.EndedBy.CAR, ends_at__lte=now)
    return over.update(released_at=F("ends_at"))


def release_due(*, now: datetime, limit: int) -> int:
    """Leave a resume for each hold that is over or no longer allowed, and return how many cars are concerned.

    Over: past its end, where only we can end it. No longer allowed: consent taken back, the owner's word against it,
    the car taken out, or its maker switched off.
    """
    # DUE rows are included: what was never sent must not be sent either.
    open_rows = Command.objects.risk_adding().filter(
        Q(state=Command.State.DUE) | Q(state__in=Command.SENT), released_at__isnull=True
    )
    ended = Q(ended_by=Command.EndedBy.WATCHDOG, ends_at__lte=now)
    concerned = open_rows.annotate(**_reasons_against(now)).filter(
        ended
        | Q(has_consent=False)
        | Q(reads_allowed=False)
        | Q(is_overridden=True)
        | Q(is_switched_off=True)
        | Q(is_stopped=True)
        | Q(vehicle__preference__is_paused=True)
        | ~Q(vehicle__state=Vehicle.State.ACTIVE)
    )
    under_way = Command.objects.open_resumes().filter(vehicle=OuterRef("vehicle"))
    concerned = concerned.filter(Q(state=Command.State.DUE) | ~Exists(under_way)).select_related("vehicle")
    released: set[int] = set()
    for command in concerned.order_by("ends_at")[:limit]:
        if command.vehicle_id in released:
            continue
        reason = "ended" if command.ends_at is not None and command.ends_at <= now else "no_longer_allowed"
        release_vehicle(vehicle=command.vehicle, reason=reason, now=now)
        released.add(command.vehicle_id)
    return len(released)


def _reasons_against(now: datetime) -> dict[str, Exists]:
    consents = Consent.objects.filter(user=OuterRef("vehicle__owner"), revoked_at__isnull=True)
    overrides = ChargeOverride.objects.filter(
        vehicle=OuterRef("vehicle"), cancelled_at__isnull=True, starts_at__lte=now, ends_at__gt=now
    )
    return {
        "has_consent": Exists(consents.filter(purpose=Consent.Purpose.GRID_PARTICIPATION)),
        "reads_allowed": Exists(consents.filter(purpose=Consent.Purpose.DATA_USE)),
        "is_overridden": Exists(overrides),
        "is_stopped": Exists(StopOrder.objects.filter(lifted_at__isnull=True)),
        "is_switched_off": Exists(
            MakerSwitch.objects.filter(
                Q(maker=OuterRef("vehicle__link__maker")) | Q(maker=OuterRef("via_charger__link__maker")), is_on=False
            )
        ),
    }


def release_stuck(*, vehicle: Vehicle, reading: ChargeReading, now: datetime) -> Command | None:
    """Leave a resume for a car that idles below its limit after a hold that should be over; else return None."""
    if reading.charge_state not in {"plugged_idle", "holding"} or reading.soc_percent is None:
        return None
    limit = reading.limit_percent if reading.limit_percent is not None else 80
    if reading.soc_percent >= limit - IDLE_BELOW_LIMIT_PERCENT:
        return None
    commands = Command.objects.filter(vehicle=vehicle)
    if commands.open_holds().exists() or commands.open_resumes().exists():
        return None
    hold = (
        commands.risk_adding().filter(sent_at__gt=now - LATE_STOP_WINDOW, released_at__lt=reading.observed_at).first()
    )
    if hold is None or corrections_left(vehicle, now=now) <= 0:
        return None
    return leave_resume(
        vehicle, key=f"stuck:{hold.public_id}:{reading.pk}", reason="stuck", via=hold.via_charger, now=now
    )


def corrections_left(vehicle: Vehicle, *, now: datetime) -> int:
    """Return how often the car may still be told tonight to charge although nobody here holds it."""
    told = Command.objects.filter(
        vehicle=vehicle, kind=Command.Kind.RESUME, reason__in=CORRECTIONS, created_at__gt=now - ONE_NIGHT
    )
    return MOST_CORRECTIONS - told.count()
