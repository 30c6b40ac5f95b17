"""Which programs a car may join, and everything that speaks against each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext

from accounts.models import Consent
from grid.flows.programs.combining import not_beside, pay_in
from grid.flows.programs.fitting import UnableToEnroll, barred, facts_of, memberships_of, unmet
from grid.models import Enrollment, Program, ProgramTerms, Site
from vehicles.automakers.base import read_capabilities
from vehicles.models import ChargePreference, HomePlace, Vehicle, VehicleLink

MOST_PROGRAMS = 200


@dataclass(frozen=True)
class Offer:
    """One program as it stands to one car: its terms in force, and all that speaks against joining it."""

    program: Program
    terms: ProgramTerms | None
    objections: list[UnableToEnroll] = field(default_factory=list)

    @property
    def why_not(self) -> str:
        """The first reason against it, "" where the car may join."""
        return self.objections[0].reason if self.objections else ""


def offers_to(vehicle: Vehicle, *, now: datetime) -> list[Offer]:
    """Return the programs of the home's utility, and of invented ones, with all that speaks against joining each.

    Programs of the home's own utility come first. Those of other real utilities are nothing to this owner.
    """
    site = home_of(vehicle)
    home_utility_id = site.tariff.utility_id if site else None
    programs = Program.objects.filter(
        Q(utility=home_utility_id) | Q(utility__is_demo=True), utility__country=vehicle.owner.country
    ).select_related("utility")
    offers = judge(programs[:MOST_PROGRAMS], vehicle=vehicle, site=site, now=now)
    return sorted(offers, key=lambda one: (one.program.utility_id != home_utility_id, one.program.name))


def programs_open_to(vehicle: Vehicle, *, now: datetime) -> list[tuple[Program, str]]:
    """Return the programs of `offers_to` with why the car may not join each; "" where it may."""
    return [(offer.program, offer.why_not) for offer in offers_to(vehicle, now=now)]


def judge(programs: Iterable[Program], *, vehicle: Vehicle, site: Site | None, now: datetime) -> list[Offer]:
    """Return how programs stand to a car; the first objection is the one that the owner can do least about."""
    programs = list(programs)
    memberships = memberships_of(vehicle)
    mentioned = {*(one.pk for one in programs), *(one.program.pk for one in memberships)}
    terms_of = ProgramTerms.all_in_force(mentioned, at=now)
    is_in_some = any(one.vehicle_id == vehicle.pk for one in memberships)
    pay_of = pay_in(terms_of.values()) if is_in_some else {}
    facts = facts_of(vehicle, site, now=now) if site else None
    own = _own_objections(vehicle)  # the same for every program
    offers = []
    for program in programs:
        terms = terms_of.get(program.pk)
        objections = _of_program(program, terms, owner_country=vehicle.owner.country, site=site)
        if not objections and terms and facts:
            excluded = barred(program, vehicle=vehicle, memberships=memberships, terms_of=terms_of)
            alone = not_beside(program, vehicle=vehicle, memberships=memberships, terms_of=terms_of, pay_of=pay_of)
            objections = [*unmet(terms, facts), *_unserved(program), *filter(None, [excluded, alone])]
        offers.append(Offer(program, terms, [*objections, *own]))
    return offers


def home_of(vehicle: Vehicle) -> Site | None:
    """Return the owner's home with its tariff and utility, or None."""
    return Site.objects.filter(owner=vehicle.owner).select_related("tariff__utility").first()


def _of_program(
    program: Program, terms: ProgramTerms | None, *, owner_country: str, site: Site | None
) -> list[UnableToEnroll]:
    """Return what speaks against the program for this home at all; one reason is enough."""
    name, utility = program.name, program.utility
    if utility.country != owner_country:
        text = gettext("{program} is for homes in another country.").format(program=name)
        return [UnableToEnroll(text, code="another_country")]
    if site is None:
        return [no_home()]
    if site.tariff.utility_id != program.utility_id:
        text = gettext("{program} is for customers of {utility}, which does not supply your home.")
        return [UnableToEnroll(text.format(program=name, utility=utility.name), code="another_utility")]
    if program.status == Program.Status.CLOSED:
        text = gettext("{program} takes no new cars at present.").format(program=name)
        return [UnableToEnroll(_with_note(text, program), code="program_closed")]
    if terms is None:
        text = gettext("{program} has no terms in force at present.").format(program=name)
        return [UnableToEnroll(text, code="no_terms")]
    return []


def _unserved(program: Program) -> list[UnableToEnroll]:
    names = {"program": program.name, "utility": program.utility.name}
    if program.status == Program.Status.PILOT:
        text = gettext("{program} is a trial, into which we cannot bring cars at present.").format(**names)
        return [UnableToEnroll(_with_note(text, program), code="program_is_pilot")]
    if not program.is_served:
        text = gettext("We have no agreement with {utility} to bring cars into {program} yet.").format(**names)
        return [UnableToEnroll(_with_note(text, program), code="program_not_served")]
    return []


def _with_note(text: str, program: Program) -> str:
    return f"{text} {gettext(program.status_note)}" if program.status_note else text


def _own_objections(vehicle: Vehicle) -> list[UnableToEnroll]:
    first = _car_objects(vehicle) or _owner_objects(vehicle)
    return [first] if first else []


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
            gettext(
                "We do not know yet where home is. "
                "While a car stands there, open it and choose “My car is at home now”."
            ),
            code="home_place_unknown",
        )
    needed = (Consent.Purpose.DATA_USE, Consent.Purpose.GRID_PARTICIPATION)
    given = Consent.objects.filter(user=vehicle.owner, purpose__in=needed, revoked_at__isnull=True)
    agreed = set(given.values_list("purpose", flat=True))
    for purpose in needed:
        if purpose not in agreed:
            return UnableToEnroll(
                gettext("You have not agreed yet: “{agreement}”.").format(agreement=purpose.label),
                code="no_consent",
                field="consent",
            )
    return None


def no_home() -> UnableToEnroll:
    """Return the refusal for an owner whose home is not known."""
    return UnableToEnroll(gettext("Tell us about your home and who supplies it first."), code="no_home")


def open_enrollments(vehicle: Vehicle) -> list[Enrollment]:
    """Return the enrollments that the car is in, the first joined first."""
    rows = Enrollment.objects.filter(vehicle=vehicle, ended_at__isnull=True)
    return list(rows.select_related("program").order_by("enrolled_at", "pk"))
