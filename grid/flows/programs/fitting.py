"""Whether a car, its home and its owner fit a program's terms, told in the owner's language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation.refusals import Refusal
from foundation.words import Words
from grid.models import Enrollment, Program, ProgramElsewhere, ProgramTerms, Site
from grid.rules.eligibility import CAR, HOME_CHARGER, Facts, Failure, failures
from vehicles.models import HomeCharger, Vehicle


class UnableToEnroll(Refusal):
    """The car's enrollment stays as it was."""


DEVICES: dict[str, Words] = {CAR: _("a car through its maker"), HOME_CHARGER: _("a wall box")}
# By the codes of `grid.rules.eligibility`; the API hands the codes out as they are.
REASONS: dict[str, Words] = {
    "country_not_eligible": _("{program} is for homes in another country."),
    "region_not_eligible": _("{program} is for homes in {wanted}."),
    "utility_not_eligible": _("{program} is for customers of {wanted}."),
    "postal_code_not_eligible": _("{program} is for homes whose postal code begins with {wanted}."),
    "device_not_eligible": _("{program} steers only {devices}."),
    "make_not_eligible": _("{program} takes cars of these makes only: {wanted}."),
    "model_not_eligible": _("{program} takes these cars only: {wanted}."),
    "model_year_unknown": _("{program} asks for the car's model year, which its maker does not tell us."),
    "model_year_too_old": _("{program} takes cars of model year {wanted} or newer."),
    "model_year_too_new": _("{program} takes cars of model year {wanted} or older."),
    "car_must_end_holds": _("{program} takes only cars that end a pause by themselves; this one needs to be told."),
    "car_must_give_back": _("{program} needs a car that can give energy back."),
    "battery_too_small": _("{program} needs a battery of at least {wanted} kWh."),
    "car_charges_too_slowly": _("{program} needs a car that charges with at least {wanted} kW."),
    "charger_must_be_bidirectional": _("{program} needs a charger that can give energy back."),
    "charger_too_weak": _("{program} needs a charger of at least {wanted} kW."),
    "export_agreement_missing": _(
        "{program} needs an agreement with your utility to give energy back that is in force. Tell us about it under "
        "“Home”."
    ),
    "export_limit_too_low": _("{program} needs an agreement to give back at least {wanted} kW."),
    "tariff_not_eligible": _("{program} does not go with your tariff."),
    "tariff_excluded": _("{program} does not go with your tariff."),
}


@dataclass(frozen=True)
class Membership:
    """One program that the car or its home is in: through us (`vehicle_id`), or elsewhere (None)."""

    program: Program
    vehicle_id: int | None


def facts_of(vehicle: Vehicle, site: Site, *, now: datetime) -> Facts:
    """Return what is known of the car at its home."""
    box = HomeCharger.objects.filter(serves=vehicle, state=HomeCharger.State.ACTIVE).first()
    last_day, today = site.export_permission_ends_on_date, now.astimezone(ZoneInfo(site.time_zone)).date()
    is_agreed = site.has_export_permission and (last_day is None or today <= last_day)
    return Facts(
        country=site.tariff.utility.country,
        region=site.tariff.utility.region,
        utility=site.tariff.utility.slug,
        postal_code_prefix=site.postal_code_prefix,
        tariff=site.tariff.slug,
        devices=frozenset({CAR, HOME_CHARGER} if box else {CAR}),
        maker=vehicle.link.maker,
        make=vehicle.make,
        model=vehicle.model,
        model_year=vehicle.model_year,
        ends_holds_itself=vehicle.can.can_hold_until,
        gives_energy_back=vehicle.can.can_discharge or vehicle.own.permits_discharge,
        capacity_wh=vehicle.capacity_wh,
        charge_w=vehicle.max_charge_w,
        is_charger_bidirectional=site.is_evse_bidirectional or box is not None,
        charger_w=site.evse_max_charge_w,
        is_export_agreed=is_agreed,
        export_w=site.export_limit_w if is_agreed else 0,
    )


def unmet(terms: ProgramTerms, facts: Facts) -> list[UnableToEnroll]:
    """Return the terms' rules that the facts do not meet, as refusals; none where the car fits."""
    return [_told(failure, terms.program) for failure in failures(terms.eligibility, facts)]


def memberships_of(vehicle: Vehicle) -> list[Membership]:
    """Return the programs that the owner's cars are in, and those that the owner says the home is in elsewhere."""
    mine = Enrollment.objects.filter(vehicle__owner=vehicle.owner_id, ended_at__isnull=True).select_related("program")
    elsewhere = ProgramElsewhere.objects.filter(owner=vehicle.owner_id, ended_at__isnull=True)
    return [
        *(Membership(one.program, one.vehicle_id) for one in mine),
        *(Membership(one.program, None) for one in elsewhere.select_related("program")),
    ]


def barred(
    program: Program,
    *,
    vehicle: Vehicle,
    memberships: Iterable[Membership],
    terms_of: Mapping[int, ProgramTerms],
) -> UnableToEnroll | None:
    """Return the refusal where the program and one that the car or its home is in exclude each other, or None.

    Either side's terms may say so. An exclusion counts for the car alone or for the whole home (the site, its service
    account); what is declared elsewhere counts for the home. `terms_of` are the terms in force by program.
    """
    for one in memberships:
        if one.program.pk == program.pk:
            if one.vehicle_id is None:
                return _elsewhere(program)
            continue
        is_same_car = one.vehicle_id in {vehicle.pk, None}
        sides = ((program, one.program), (one.program, program))
        if any(_excludes(terms_of.get(ours.pk), other, is_same_car) for ours, other in sides):
            return UnableToEnroll(
                gettext("{program} does not go together with {other}, in which your home takes part.").format(
                    program=program.name, other=one.program.name
                ),
                code="excluded_by_program",
            )
    return None


def _excludes(terms: ProgramTerms | None, other: Program, is_same_car: bool) -> bool:  # noqa: FBT001 - private
    rules: list[dict[str, Any]] = terms.excludes if terms else []
    return any(rule["program"] in other.names and (rule["scope"] == "site" or is_same_car) for rule in rules)


def _elsewhere(program: Program) -> UnableToEnroll:
    return UnableToEnroll(
        gettext("You told us that your home is in {program} already, through somebody else.").format(
            program=program.name
        ),
        code="in_program_elsewhere",
    )


def _told(failure: Failure, program: Program) -> UnableToEnroll:
    shown = {**failure.params, "program": program.name}
    if "devices" in shown:  # where both may be, a car always fits
        shown["devices"] = str(DEVICES[shown["devices"][0]])
    return UnableToEnroll(str(REASONS[failure.code]).format(**shown), code=failure.code)
