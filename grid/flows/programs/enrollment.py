"""Enrolling a car in a program, and leaving it; `objections` says who may and why not."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts.flows.notices import notify
from grid.flows.plans.nudges import pull_forward
from grid.flows.programs.accounts_shared import Shared, ask_utility
from grid.flows.programs.fitting import UnableToEnroll
from grid.flows.programs.objections import already_in, home_of, judge, no_home, open_enrollment, programs_open_to
from grid.models import Enrollment, EventParticipation, GridEvent, Program
from vehicles.flows.releases import release_vehicle
from vehicles.models import Vehicle

__all__ = ["Shared", "UnableToEnroll", "end_enrollment", "enroll_vehicle", "programs_open_to", "withdraw_vehicle"]


def enroll_vehicle(*, vehicle: Vehicle, program: Program, now: datetime, shared: Shared | None = None) -> Enrollment:
    """Let the car take part in the program's events from now on, and return its enrollment.

    Where the terms want the utility's word, the car waits for it; `shared` is what the owner agreed to tell it.
    Enrolling again in the same program keeps the enrollment. Raises UnableToEnroll with the reason: the program,
    the car, the home or a consent does not fit, or the car is in another program.
    """
    mine = open_enrollment(vehicle)
    if mine is not None and mine.program_id == program.pk:
        return mine
    site = home_of(vehicle)
    (offer,) = judge([program], vehicle=vehicle, site=site, now=now)
    if offer.objections or site is None or offer.terms is None:
        raise next(iter(offer.objections), None) or no_home()
    try:
        with transaction.atomic():
            enrollment = Enrollment.objects.create(vehicle=vehicle, program=program, site=site, enrolled_at=now)
            if offer.terms.needs_confirmation:
                ask_utility(enrollment=enrollment, shared=shared, now=now)
            else:
                _welcome(enrollment, now=now)
    except IntegrityError as error:  # another click came first
        mine = open_enrollment(vehicle)
        if mine is None or mine.program_id != program.pk:
            raise already_in(mine.program if mine else None) from error
        return mine
    return enrollment


def _welcome(enrollment: Enrollment, *, now: datetime) -> None:
    pull_forward([enrollment.vehicle_id], reason="enrolled", now=now)
    notify(
        user=enrollment.vehicle.owner,
        kind="enrolled",
        key=f"enrolled:{enrollment.public_id}",
        params={"vehicle": str(enrollment.vehicle), "program": enrollment.program.name},
        now=now,
    )


def withdraw_vehicle(*, vehicle: Vehicle, now: datetime) -> Enrollment:
    """End the car's enrollment now, as `end_enrollment` does; raises UnableToEnroll where it is in no program."""
    enrollment = open_enrollment(vehicle)
    if enrollment is None:
        raise _not_enrolled()
    return end_enrollment(enrollment=enrollment, now=now)


def end_enrollment(*, enrollment: Enrollment, now: datetime, is_told: bool = True) -> Enrollment:
    """End the enrollment now, take its car out of events that are not over, and return it.

    What the car delivered in events that are over is still settled. It is let go at once and planned anew. Its
    owner gets the usual notice where `is_told`. Raises UnableToEnroll where the enrollment has ended before.
    """
    with transaction.atomic():
        open_ones = Enrollment.objects.select_for_update(of=("self",)).filter(ended_at__isnull=True)
        found = open_ones.filter(pk=enrollment.pk).select_related("vehicle__owner", "program").first()
        if found is None:
            raise _not_enrolled()
        found.ended_at = max(now, found.enrolled_at)
        found.save(update_fields=["ended_at"])
        _leave_events(found, now=now)
        release_vehicle(vehicle=found.vehicle, reason="withdrawn", now=now)
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
        state=EventParticipation.State.IN,
        event__ends_at__gt=now,
        event__state__in=GridEvent.OPEN_STATES,
    ).update(state=EventParticipation.State.OPTED_OUT, reason="withdrawn", decided_at=now)


def _not_enrolled() -> UnableToEnroll:
    return UnableToEnroll(gettext("This car is in no program."), code="not_enrolled")
