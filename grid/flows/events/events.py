"""What utilities ask for: events are created, approved, cancelled.

`announcing` brings them to the cars, `taking_part` is the owner's say; both are reached from here too.
"""

from datetime import UTC, datetime, timedelta

from django.db import transaction

from accounts.models import User
from grid.flows.events import two_people
from grid.flows.events.announcing import announce_due_events, participating_vehicle_ids
from grid.flows.events.precedence import keep_apart_in
from grid.flows.events.rules import UnableToSaveEvent, check_calendar
from grid.flows.events.taking_part import UnableToTakePart, opt_in, opt_out
from grid.flows.events.telling import owners_told, tell
from grid.flows.plans.nudges import pull_forward
from grid.models import EventApproval, EventParticipation, GridEvent, Program, ProgramTerms

__all__ = [
    "UnableToSaveEvent",
    "UnableToTakePart",
    "announce_due_events",
    "approve_event",
    "cancel_event",
    "check_event",
    "create_event",
    "opt_in",
    "opt_out",
]

SETTLE_AFTER = timedelta(minutes=30)  # late readings have come by then
LONGEST_AHEAD = timedelta(days=366)
MOST_TARGET_W = 1_000_000_000  # a large power station; more is a slip of the keyboard
MOST_REWARD_MICROS = 100_000_000  # 100 $/kWh, ten times the dearest hour any market here has seen


def create_event(
    *,
    terms: ProgramTerms,
    kind: str,
    starts_at: datetime,
    ends_at: datetime,
    target_w: int,
    created_by: User | None,
    now: datetime,
    reward_micros_per_kwh: int | None = None,
    announce_at: datetime | None = None,
) -> GridEvent:
    """Make an event over `[starts_at, ends_at)` and return it.

    Its reward is frozen now: the terms' rate, or a better one. It is announced at `announce_at` (at once by
    default). Above the utility's two-person limit, alone or with what else the utility asks meanwhile, it stays a
    draft until two admins want it. Raises UnableToSaveEvent, as `check_event` says.
    """
    starts_at, ends_at = _instant(starts_at), _instant(ends_at)
    announce_at = max(_instant(announce_at or now), now)
    with transaction.atomic():
        lock_program(terms.program_id)
        utility = two_people.lock_utility(terms)
        check_event(
            terms=terms,
            kind=kind,
            starts_at=starts_at,
            ends_at=ends_at,
            target_w=target_w,
            now=now,
            reward_micros_per_kwh=reward_micros_per_kwh,
            announce_at=announce_at,
        )
        needs_approval = two_people.needs_two(utility, starts_at=starts_at, ends_at=ends_at, target_w=target_w)
        return GridEvent.objects.create(
            terms=terms,
            kind=kind,
            starts_at=starts_at,
            ends_at=ends_at,
            target_w=target_w,
            reward_micros_per_kwh=reward_micros_per_kwh or terms.reward_micros_per_kwh,
            state=GridEvent.State.DRAFT if needs_approval else GridEvent.State.SCHEDULED,
            created_by=created_by,
            created_at=now,
            announce_at=announce_at,
            settle_at=ends_at + SETTLE_AFTER,
        )


def check_event(
    *,
    terms: ProgramTerms,
    kind: str,
    starts_at: datetime,
    ends_at: datetime,
    target_w: int,
    now: datetime,
    reward_micros_per_kwh: int | None = None,
    announce_at: datetime | None = None,
    ignoring: GridEvent | None = None,
) -> None:
    """Refuse an event that breaks its terms, the calendar or common sense; raises UnableToSaveEvent.

    `announce_at` in the past means that owners know of it since then; `ignoring` is the event's own earlier form.
    """
    starts_at, ends_at = _instant(starts_at), _instant(ends_at)
    _check_time(starts_at=starts_at, ends_at=ends_at, now=now)
    _check_terms(terms, kind=kind, starts_at=starts_at, ends_at=ends_at)
    check_calendar(terms, starts_at=starts_at, ends_at=ends_at, ignoring=ignoring)
    announced_at = _instant(announce_at or now)
    _check_notice(terms, starts_at=starts_at, announce_at=announced_at if ignoring else max(announced_at, now))
    _check_size(terms, target_w=target_w, reward_micros_per_kwh=reward_micros_per_kwh)
    others = GridEvent.objects.filter(
        terms__program=terms.program_id,
        state__in=GridEvent.OPEN_STATES,
        starts_at__lt=ends_at,
        ends_at__gt=starts_at,
    )
    other = (others.exclude(pk=ignoring.pk) if ignoring else others).first()
    if other is not None:
        zone = terms.program.utility.zone
        span = f"{other.starts_at.astimezone(zone):%Y-%m-%d %H:%M} to {other.ends_at.astimezone(zone):%H:%M %Z}"
        raise UnableToSaveEvent(
            f"It overlaps another event of this program, from {span}.", code="overlap", field="starts_at"
        )


def _instant(at: datetime) -> datetime:
    """Return the instant in UTC: differences of two local times would count the clock's jump as time."""
    if at.tzinfo is None:
        raise UnableToSaveEvent("Say in which time zone the event is.", code="naive_time", field="starts_at")
    return at.astimezone(UTC)


def _check_time(*, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    if ends_at <= starts_at:
        raise UnableToSaveEvent("The event ends before it starts.", code="ends_before_start", field="ends_at")
    if starts_at <= now:
        raise UnableToSaveEvent("The event starts in the past.", code="in_the_past", field="starts_at")
    if starts_at > now + LONGEST_AHEAD:
        raise UnableToSaveEvent("The event is more than a year ahead.", code="too_far_ahead", field="starts_at")


def _check_terms(terms: ProgramTerms, *, kind: str, starts_at: datetime, ends_at: datetime) -> None:
    if terms.program.status == Program.Status.CLOSED:
        raise UnableToSaveEvent(f"{terms.program} is closed.", code="program_closed", field="terms")
    if ProgramTerms.in_force(program=terms.program, at=starts_at) != terms:
        raise UnableToSaveEvent(
            "These terms are not the ones in force when the event starts.", code="terms_not_in_force", field="terms"
        )
    if kind not in GridEvent.Kind.values or kind not in terms.kinds:
        allowed = ", ".join(str(GridEvent.Kind(value).label) for value in GridEvent.Kind.values if value in terms.kinds)
        raise UnableToSaveEvent(f"{terms.program} allows only: {allowed}.", code="kind_not_allowed", field="kind")
    if ends_at - starts_at > timedelta(minutes=terms.max_event_minutes):
        raise UnableToSaveEvent(
            f"Events of {terms.program} last at most {terms.max_event_minutes} minutes.",
            code="too_long",
            field="ends_at",
        )


def _check_notice(terms: ProgramTerms, *, starts_at: datetime, announce_at: datetime) -> None:
    if announce_at + timedelta(minutes=terms.minimum_notice_minutes) > starts_at or announce_at >= starts_at:
        raise UnableToSaveEvent(
            f"Owners hear of an event at least {terms.minimum_notice_minutes} minutes before it starts.",
            code="notice_too_short",
            field="announce_at",
        )


def _check_size(terms: ProgramTerms, *, target_w: int, reward_micros_per_kwh: int | None) -> None:
    if not 0 < target_w <= MOST_TARGET_W:
        raise UnableToSaveEvent(
            f"Ask for more than 0 kW and at most {MOST_TARGET_W // 1000:,} kW.", code="absurd_power", field="target_w"
        )
    if reward_micros_per_kwh is None:
        return
    if reward_micros_per_kwh < terms.reward_micros_per_kwh:
        raise UnableToSaveEvent(
            "Owners were promised more than this reward in the terms.", code="below_terms", field="reward"
        )
    if reward_micros_per_kwh > MOST_REWARD_MICROS:
        raise UnableToSaveEvent("The reward is at most 100.00 per kWh.", code="absurd_reward", field="reward")


def approve_event(*, event: GridEvent, approved_by: User, now: datetime) -> GridEvent:
    """Record a second admin's yes; the draft is then announced when due.

    One that came from a utility's server belongs to whoever says yes first, and needs another one's yes. Raises
    UnableToSaveEvent for the admin who created it, for anybody who is no admin, and where it is too late.
    """
    with transaction.atomic():
        event = GridEvent.objects.select_for_update(of=("self",)).select_related("terms__program").get(pk=event.pk)
        if event.state != GridEvent.State.DRAFT:
            raise UnableToSaveEvent("This event does not wait for approval.", code="not_a_draft")
        if not approved_by.is_staff:
            raise UnableToSaveEvent("Only an admin can approve an event.", code="not_an_admin")
        if approved_by.pk == event.created_by_id:
            raise UnableToSaveEvent(
                "An event of this size needs the yes of a second admin: you created it yourself.", code="same_person"
            )
        announce_at = max(event.announce_at, now)
        _check_notice(event.terms, starts_at=event.starts_at, announce_at=announce_at)
        if event.created_by_id is None:  # a server asked for it: two people are two people all the same
            event.created_by = approved_by
            event.save(update_fields=["created_by"])
            return event
        EventApproval.objects.create(event=event, approved_by=approved_by, approved_at=now, target_w=event.target_w)
        event.state, event.announce_at = GridEvent.State.SCHEDULED, announce_at
        event.save(update_fields=["state", "announce_at"])
    return event


def lock_program(key: int) -> None:
    """Lock the program until the transaction ends: one event of it is made or moved at a time.

    Before its events, where both are needed.
    """
    Program.objects.select_for_update(no_key=True).get(pk=key)


def lock_open(event: GridEvent, *, now: datetime) -> GridEvent:
    """Return the event as it is now, locked until the transaction ends; raises UnableToSaveEvent where it is over."""
    event = (
        GridEvent.objects.select_for_update(of=("self",), no_key=True)
        .select_related("terms__program__utility")
        .get(pk=event.pk)
    )
    if event.state not in GridEvent.OPEN_STATES or event.ends_at <= now:
        raise UnableToSaveEvent("This event is over.", code="event_over")
    return event


def cancel_event(*, event: GridEvent, now: datetime, reason: str = "") -> GridEvent:
    """Call the event off and tell the owners whose cars take part.

    One that has begun ends now instead, so that what was delivered until now is settled and paid. Raises
    UnableToSaveEvent where it is over.
    """
    with transaction.atomic():
        event = lock_open(event, now=now)
        is_running = event.state == GridEvent.State.ANNOUNCED and event.starts_at < now
        event.cancel_reason, event.version = reason[:120], event.version + 1
        if is_running:
            event.ends_at, event.settle_at = now, now + SETTLE_AFTER
        else:
            event.state, event.cancelled_at = GridEvent.State.CANCELLED, now
        event.save(update_fields=["cancel_reason", "version", "ends_at", "settle_at", "state", "cancelled_at"])
        _tell_of_the_end(event, kind="event_shortened" if is_running else "event_cancelled", now=now)
        keep_apart_in(event, now=now)
    return event


def owners_concerned(event: GridEvent, *, state: str) -> list[int]:
    """Return the owners of the event's parts in `state`, as far as they know of the event."""
    parts = EventParticipation.objects.filter(event=event, state=state)
    owner_ids = sorted(set(parts.values_list("enrollment__vehicle__owner_id", flat=True)))
    # One that is being announced is known to those told so far.
    return owner_ids if event.announced_at else sorted(owners_told(event, owner_ids))


def _tell_of_the_end(event: GridEvent, *, kind: str, now: datetime) -> None:
    for state in (EventParticipation.State.IN, EventParticipation.State.CONTROL):
        tell(event, kind=kind, owner_ids=owners_concerned(event, state=state), now=now)
    pull_forward(participating_vehicle_ids(event), reason="event", now=now)
