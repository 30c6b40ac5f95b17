"""Who may take part in which program, and why not; enrolling and leaving."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts.flows.consents import has_consent
from accounts.flows.notices import notify
from accounts.models import Consent
from foundation.refusals import Refusal
from grid.flows.nudges import pull_forward
from grid.models import Enrollment, EventParticipation, GridEvent, Program, ProgramTerms, Site
from vehicles.automakers.base import read_capabilities
from vehicles.flows.releases import release_vehicle
from vehicles.models import ChargePreference, HomePlace, Vehicle, VehicleLink


class UnableToEnroll(Refusal):
    """The car's enrollment stays as it was."""


def programs_open_to(vehicle: Vehicle, *, now: datetime) -> list[tuple[Program, str]]:
    """Return every program in the owner's country with why the car may not join it; "" where it may.

    Programs of the home's own utility come first.
    """
    site = Site.objects.filter(owner=vehicle.owner).select_related("tariff").first()
    home_utility_id = site.tariff.utility_id if site else None
    programs = Program.objects.filter(utility__country=vehicle.owner.country).select_related("utility")
    found = []
    # What speaks against the car or its owner is the same for every program.
    own, mine = _own_objects(vehicle), _open_enrollment(vehicle)
    for program in programs[:200]:
        refusal = (
            _program_objects(program, vehicle=vehicle, site=site, now=now)
            or own
            or (_already_in(mine) if mine and mine.program_id != program.pk else None)
        )
        found.append((program, refusal.reason if refusal else ""))
    return sorted(found, key=lambda pair: (pair[0].utility_id != home_utility_id, pair[0].name))


def enroll_vehicle(*, vehicle: Vehicle, program: Program, now: datetime) -> Enrollment:
    """Let the car take part in the program's events from now on, and return its enrollment.

    Enrolling again in the same program keeps the enrollment. Raises UnableToEnroll with the reason: the program,
    the car, the home or a consent does not fit, or the car is in another program.
    """
    mine = _open_enrollment(vehicle)
    if mine is not None and mine.program_id == program.pk:
        return mine
    site = Site.objects.filter(owner=vehicle.owner).select_related("tariff").first()
    refusal = _why_not(vehicle=vehicle, program=program, site=site, now=now)
    if refusal is not None or site is None:
        raise refusal or _no_home()
    try:
        with transaction.atomic():
            enrollment = Enrollment.objects.create(vehicle=vehicle, program=program, site=site, enrolled_at=now)
            pull_forward([vehicle.pk], reason="enrolled", now=now)
            notify(
                user=vehicle.owner,
                kind="enrolled",
                key=f"enrolled:{enrollment.public_id}",
                params={"vehicle": str(vehicle), "program": program.name},
                now=now,
            )
    except IntegrityError as error:  # another click came first
        mine = _open_enrollment(vehicle)
        if mine is None or mine.program_id != program.pk:
            raise _already_in(mine) from error
        return mine
    return enrollment


def withdraw_vehicle(*, vehicle: Vehicle, now: datetime) -> Enrollment:
    """End the car's enrollment now, as `end_enrollment` does; raises UnableToEnroll where it is in no program."""
    enrollment = _open_enrollment(vehicle)
    if enrollment is None:
        raise _not_enrolled()
    return end_enrollment(enrollment=enrollment, now=now)


def end_enrollment(*, enrollment: Enrollment, now: datetime) -> Enrollment:
    """End the enrollment now, take its car out of events that are not over, and return it.

    What the car delivered in events that are over is still settled. It is let go at once and planned anew. Raises
    UnableToEnroll where the enrollment has ended before.
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


def _open_enrollment(vehicle: Vehicle) -> Enrollment | None:
    return Enrollment.objects.filter(vehicle=vehicle, ended_at__isnull=True).select_related("program").first()


def _why_not(*, vehicle: Vehicle, program: Program, site: Site | None, now: datetime) -> UnableToEnroll | None:
    """Return the first reason against the enrollment, the one that the owner can do least about first."""
    return (
        _program_objects(program, vehicle=vehicle, site=site, now=now)
        or _own_objects(vehicle)
        or (_already_in(mine) if (mine := _open_enrollment(vehicle)) and mine.program_id != program.pk else None)
    )


def _program_objects(program: Program, *, vehicle: Vehicle, site: Site | None, now: datetime) -> UnableToEnroll | None:
    if program.utility.country != vehicle.owner.country:
        return UnableToEnroll(
            gettext("{program} is for homes in another country.").format(program=program.name), code="another_country"
        )
    if site is None:
        return _no_home()
    if site.tariff.utility_id != program.utility_id:
        return UnableToEnroll(
            gettext("{program} is for customers of {utility}, which does not supply your home.").format(
                program=program.name, utility=program.utility.name
            ),
            code="another_utility",
        )
    if not program.is_open:
        return UnableToEnroll(
            gettext("{program} takes no new cars at present.").format(program=program.name), code="program_closed"
        )
    if ProgramTerms.in_force(program=program, at=now) is None:
        return UnableToEnroll(
            gettext("{program} has no terms in force at present.").format(program=program.name), code="no_terms"
        )
    return None


def _own_objects(vehicle: Vehicle) -> UnableToEnroll | None:
    return _car_objects(vehicle) or _owner_objects(vehicle)


def _car_objects(vehicle: Vehicle) -> UnableToEnroll | None:
    if vehicle.state != Vehicle.State.ACTIVE:
        return UnableToEnroll(gettext("Choose this car among your linked cars first."), code="car_not_active")
    if vehicle.link.state != VehicleLink.State.ACTIVE:
        return UnableToEnroll(gettext("The link to this car is broken. Link your account again."), code="needs_relink")
    if not vehicle.is_controlling:
        return UnableToEnroll(
            gettext("This car is steered through another link, here it is only read."), code="read_only"
        )
    if not read_capabilities(vehicle.capabilities).can_hold:
        return UnableToEnroll(gettext("This car's maker does not let us pause its charging."), code="car_cannot_hold")
    if not ChargePreference.objects.filter(vehicle=vehicle).exists():
        return UnableToEnroll(gettext("Tell us when you leave and how full the car shall be."), code="no_preference")
    return None


def _owner_objects(vehicle: Vehicle) -> UnableToEnroll | None:
    if not HomePlace.objects.filter(owner=vehicle.owner).exists():
        return UnableToEnroll(
            gettext("We do not know yet where home is. While a car stands there, open it and choose “This is home”."),
            code="home_place_unknown",
        )
    for purpose in (Consent.Purpose.DATA_USE, Consent.Purpose.GRID_PARTICIPATION):
        if not has_consent(vehicle.owner, purpose):
            return UnableToEnroll(
                gettext("You have not agreed yet: “{agreement}”.").format(agreement=purpose.label),
                code="no_consent",
                field="consent",
            )
    return None


def _not_enrolled() -> UnableToEnroll:
    return UnableToEnroll(gettext("This car is in no program."), code="not_enrolled")


def _no_home() -> UnableToEnroll:
    return UnableToEnroll(gettext("Tell us about your home and who supplies it first."), code="no_home")


def _already_in(enrollment: Enrollment | None) -> UnableToEnroll:
    name = enrollment.program.name if enrollment else gettext("another program")
    return UnableToEnroll(
        gettext("This car is in {program}. Leave that program first.").format(program=name), code="enrolled_elsewhere"
    )
