"""Enrolling a car in a program, and leaving it; `objections` says who may and why not."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from accounts.flows.notices import notify
from grid.flows.events.precedence import keep_apart
from grid.flows.plans.nudges import pull_forward
from grid.flows.programs.accounts_shared import Shared, ask_utility
from grid.flows.programs.fitting import UnableToEnroll
from grid.flows.programs.objections import home_of, judge, no_home, open_enrollments, programs_open_to
from grid.models import Dispatch, Enrollment, EventParticipation, GridEvent, Program
from vehicles.flows.releases import release_vehicle
from vehicles.models import Vehicle

__all__ = ["Shared", "UnableToEnroll", "end_enrollment", "enroll_vehicle", "programs_open_to", "withdraw_vehicle"]


@transaction.atomic
def enroll_vehicle(*, vehicle: Vehicle, program: Program, now: datetime, shared: Shared | None = None) -> Enrollment:
    """Let the car take part in the program's events from now on, and return its enrollment.

    Where the terms want the utility's word, the car waits for it; `shared` is what the owner agreed to tell it.
    Enrolling again in the same program keeps the enrollment. Raises UnableToEnroll with the reason: the program,
    the car, the home or a consent does not fit, or the car is in a program beside which this one does not go.
    """
    # Two programs that are joined at once are judged one after the other.
    Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle.pk)
    mine = next((one for one in open_enrollments(vehicle) if one.program_id == program.pk), None)
    if mine is not None:
        return mine
    site = home_of(vehicle)
    (offer,) = judge([program], vehicle=vehicle, site=site, now=now)
    if offer.objections or site is None or offer.terms is None:
        raise next(iter(offer.objections), None) or no_home()
    enrollment = Enrollment.objects.create(vehicle=vehicle, program=program, site=site, enrolled_at=now)
    if offer.terms.needs_confirmation:
        ask_utility(enrollment=enrollment, shared=shared, now=now)
    else:
        welcome(enrollment, now=now)
    return enrollment


def welcome(enrollment: Enrollment, *, now: datetime) -> None:
    """Have the car, which takes part from now on, planned anew, and tell its owner."""
    pull_forward([enrollment.vehicle_id], reason="enrolled", now=now)
    notify(
        user=enrollment.vehicle.owner,
        kind="enrolled",
        key=f"enrolled:{enrollment.public_id}",
        params={"vehicle": str(enrollment.vehicle), "program": enrollment.program.name},
        now=now,
    )


def withdraw_vehicle(*, vehicle: Vehicle, now: datetime, program: Program | None = None) -> Enrollment:
    """End the car's enrollment now, as `end_enrollment` does; raises UnableToEnroll where it is in no such program.

    A car that is in several programs leaves the one named.
    """
    found = [one for one in open_enrollments(vehicle) if program is None or one.program_id == program.pk]
    if not found:
        raise _not_enrolled()
    if len(found) > 1:
        raise UnableToEnroll(
            gettext("This car is in several programs. Say which one it leaves."), code="several_programs"
        )
    return end_enrollment(enrollment=found[0], now=now)


def end_enrollment(*, enrollment: Enrollment, now: datetime, is_told: bool = True) -> Enrollment:
    """End the enrollment now, take its car out of events that are not over, and return it.

    What the car delivered in events that are over is still settled. It is let go at once, unless another program's
    event holds it, and planned anew. Its owner gets the usual notice where `is_told`. Raises UnableToEnroll where
    the enrollment has ended before.
    """
    with transaction.atomic():
        open_ones = Enrollment.objects.select_for_update(of=("self",)).filter(ended_at__isnull=True)
        found = open_ones.filter(pk=enrollment.pk).select_related("vehicle__owner", "program").first()
        if found is None:
            raise _not_enrolled()
        Vehicle.objects.select_for_update(no_key=True).get(pk=found.vehicle_id)  # before its parts, as all do
        found.ended_at = max(now, found.enrolled_at)
        found.save(update_fields=["ended_at"])
        _leave_events(found, now=now)
        if not _serves_another(found, now=now):
            release_vehicle(vehicle=found.vehicle, reason="withdrawn", now=now)
        keep_apart([found.vehicle_id], now=now)
        pull_forward([found.vehicle_id], reason="withdrawn", now=now)
        if is_told:
            notify(
                user=found.vehicle.owner,
                kind="withdrawn",
                key=f"withdrawn:{found.public_id}",
                params={"vehicle": str(found.vehicle), "program": found.program.name},
                now=now,
            )
    return found


def _leave_events(enrollment: Enrollment, *, now: datetime) -> None:
    EventParticipation.objects.filter(
        enrollment=enrollment,
        state__in=(EventParticipation.State.IN, EventParticipation.State.CONTROL),
        event__ends_at__gt=now,
        event__state__in=GridEvent.OPEN_STATES,
    ).update(state=EventParticipation.State.OPTED_OUT, reason="withdrawn", decided_at=now)


def _serves_another(enrollment: Enrollment, *, now: datetime) -> bool:
    """Say whether the car is steered at present for an event of another program that it stays in."""
    under_way = Dispatch.objects.filter(vehicle=enrollment.vehicle_id, stopped_at=None, participation__isnull=False)
    others = under_way.exclude(participation__enrollment=enrollment)
    return others.filter(
        participation__state=EventParticipation.State.IN, participation__event__ends_at__gt=now
    ).exists()


def _not_enrolled() -> UnableToEnroll:
    return UnableToEnroll(gettext("This car is in no program."), code="not_enrolled")
