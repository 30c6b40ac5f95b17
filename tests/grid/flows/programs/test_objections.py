"""What speaks against a program: its status, its rules, programs that exclude each other, all told at once."""

from datetime import datetime

import pytest

from accounts.models import User
from grid.flows.programs.enrollment import UnableToEnroll, enroll_vehicle
from grid.flows.programs.objections import offers_to
from grid.models import Program, ProgramElsewhere, ProgramTerms
from tests.factories import grid as make
from vehicles.models import Vehicle

pytestmark = pytest.mark.django_db


@pytest.fixture
def car(alice: User, now: datetime) -> Vehicle:
    make.home(alice, now=now)
    make.agree(alice, now=now)
    return make.car(alice, now=now)


def codes(car: Vehicle, slug: str, now: datetime) -> list[str]:
    offer = next(one for one in offers_to(car, now=now) if one.program.slug == slug)
    return [one.reason_code for one in offer.objections]


def test_ineligible_car_is_refused_with_the_first_reason_and_told_all(car: Vehicle, now: datetime) -> None:
    rules = {"car": {"from_model_year": 2022, "makes": ["BMW"]}, "charger": {"min_power_kw": 19.2}}
    program = make.terms(now=now, eligibility=rules).program
    with pytest.raises(UnableToEnroll, match="takes cars of these makes only: BMW") as refused:
        enroll_vehicle(vehicle=car, program=program, now=now)
    assert refused.value.reason_code == "make_not_eligible"
    assert codes(car, program.slug, now) == ["make_not_eligible", "model_year_unknown", "charger_too_weak"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"status": "closed", "status_note": "It ended in 2025."}, "program_closed"),
        ({"status": "pilot", "status_note": "It ended in 2025."}, "program_is_pilot"),
        ({"is_served": False, "status_note": "It ended in 2025."}, "program_not_served"),
    ],
)
def test_status_says_why_not(car: Vehicle, now: datetime, values: dict[str, object], code: str) -> None:
    program = make.terms(now=now).program
    Program.objects.update(**values)
    with pytest.raises(UnableToEnroll, match="It ended in 2025") as refused:
        enroll_vehicle(vehicle=car, program=Program.objects.get(), now=now)
    assert refused.value.reason_code == code
    assert codes(car, program.slug, now) == [code]


@pytest.mark.parametrize("named", ["elrp", "peak-rewards"])
@pytest.mark.parametrize("is_ours", [True, False])
def test_programs_that_exclude_each_other_at_one_home(
    car: Vehicle, alice: User, now: datetime, named: str, is_ours: object
) -> None:
    ours, other = make.terms(now=now).program, make.program(slug="peak-rewards", groups=["elrp"])
    make.terms(other, now=now)
    second = make.car(alice, now=now, nickname="Second")
    enroll_vehicle(vehicle=second, program=other, now=now)
    if is_ours:  # either side's terms may say so
        ProgramTerms.objects.filter(program=ours).update(excludes=[{"program": named, "scope": "site"}])
    else:
        ProgramTerms.objects.filter(program=other).update(excludes=[{"program": ours.slug, "scope": "site"}])
    assert codes(car, ours.slug, now) == ["excluded_by_program"]
    ProgramTerms.objects.filter(excludes__gt=[]).update(excludes=[{"program": named, "scope": "car"}])
    assert codes(car, ours.slug, now) == []  # another car of the home may


def test_program_elsewhere_counts_for_the_home(car: Vehicle, alice: User, now: datetime) -> None:
    ours = make.terms(now=now, excludes=[{"program": "elrp", "scope": "site"}]).program
    other = make.program(slug="elrp-a6", groups=["elrp"], is_served=False)
    declared = ProgramElsewhere.objects.create(owner=alice, program=other, declared_at=now)
    with pytest.raises(UnableToEnroll, match="does not go together with Elrp A6"):
        enroll_vehicle(vehicle=car, program=ours, now=now)
    declared.ended_at = now
    declared.save()
    assert enroll_vehicle(vehicle=car, program=ours, now=now).pk


def test_program_that_the_home_is_in_elsewhere_takes_it_not_twice(car: Vehicle, alice: User, now: datetime) -> None:
    program = make.terms(now=now).program
    ProgramElsewhere.objects.create(owner=alice, program=program, declared_at=now)
    assert codes(car, program.slug, now) == ["in_program_elsewhere"]
