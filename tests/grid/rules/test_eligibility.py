"""Rules of who may join: what is met, what is not, and what no rule is."""

from dataclasses import replace
from typing import Any

import pytest

from grid.flows.programs.fitting import REASONS
from grid.rules.eligibility import Facts, failures, parse_rules

LIGHTNING = Facts(
    country="US", region="Texas", utility="lone-star", postal_code_prefix="78704", tariff="flat", maker="ford",
    make="Ford", model="F-150 Lightning Lariat", model_year=2024, ends_holds_itself=True, gives_energy_back=True,
    capacity_wh=98_000, charge_w=11_300, is_charger_bidirectional=True, charger_w=11_500, is_export_agreed=True,
    export_w=9_600,
)  # fmt: skip

# A rule that the Lightning meets, a fact that breaks it, and the code that says so.
CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"countries": ["US"]}, {"country": "CA"}, "country_not_eligible"),
    ({"regions": ["Texas"]}, {"region": "Ohio"}, "region_not_eligible"),
    ({"utilities": ["lone-star"]}, {"utility": "other"}, "utility_not_eligible"),
    ({"postal_code_prefixes": ["787", "100"]}, {"postal_code_prefix": "77001"}, "postal_code_not_eligible"),
    ({"postal_code_prefixes": ["787"]}, {"postal_code_prefix": ""}, "postal_code_not_eligible"),
    ({"devices": ["car"]}, {"devices": frozenset({"home_charger"})}, "device_not_eligible"),
    ({"car": {"makes": ["FORD", "BMW"]}}, {"make": "Honda"}, "make_not_eligible"),
    ({"car": {"models": {"Ford": ["F-150 Lightning"]}}}, {"model": "Mustang Mach-E"}, "model_not_eligible"),
    ({"car": {"models": {"Ford": ["F-150 Lightning"]}}}, {"make": "BMW"}, "model_not_eligible"),
    ({"car": {"from_model_year": 2022}}, {"model_year": 2021}, "model_year_too_old"),
    ({"car": {"from_model_year": 2022}}, {"model_year": None}, "model_year_unknown"),
    ({"car": {"to_model_year": 2024}}, {"model_year": 2025}, "model_year_too_new"),
    ({"car": {"ends_holds_itself": True}}, {"ends_holds_itself": False}, "car_must_end_holds"),
    ({"car": {"gives_energy_back": True}}, {"gives_energy_back": False}, "car_must_give_back"),
    ({"car": {"min_battery_kwh": 60}}, {"capacity_wh": 59_900}, "battery_too_small"),
    ({"car": {"min_charge_kw": 7.2}}, {"charge_w": 7_100}, "car_charges_too_slowly"),
    ({"charger": {"is_bidirectional": True}}, {"is_charger_bidirectional": False}, "charger_must_be_bidirectional"),
    ({"charger": {"min_power_kw": 7.2}}, {"charger_w": 3_300}, "charger_too_weak"),
    ({"agreement": {"may_export": True}}, {"is_export_agreed": False}, "export_agreement_missing"),
    ({"agreement": {"min_export_kw": 5}}, {"export_w": 4_000}, "export_limit_too_low"),
    ({"tariffs": ["flat", "nights"]}, {"tariff": "market"}, "tariff_not_eligible"),
    ({"not_tariffs": ["market"]}, {"tariff": "market"}, "tariff_excluded"),
]


@pytest.mark.parametrize(("rules", "facts", "code"), CASES, ids=[f"{code} {list(facts)}" for _, facts, code in CASES])
def test_rule_is_met_or_names_its_reason(rules: dict[str, Any], facts: dict[str, Any], code: str) -> None:
    assert failures(parse_rules(rules), LIGHTNING) == []
    assert [failure.code for failure in failures(rules, replace(LIGHTNING, **facts))] == [code]


def test_every_reason_is_told_to_owners() -> None:
    assert {code for _, _, code in CASES} == set(REASONS)


def test_no_rules_let_everybody_in_and_all_that_fail_are_named_in_order() -> None:
    assert failures(parse_rules({}), Facts()) == []
    rules = {"tariffs": ["nights"], "charger": {"min_power_kw": 20}, "regions": ["Ohio"]}
    codes = [failure.code for failure in failures(parse_rules(rules), LIGHTNING)]
    assert codes == ["region_not_eligible", "charger_too_weak", "tariff_not_eligible"]


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ([], "must be an object"),
        ({"colour": ["red"]}, "there is no rule `colour`; known are countries"),
        ({"car": ["Ford"]}, "`car` must be an object"),
        ({"car": {"wheels": 4}}, r"there is no rule `car\.wheels`"),
        ({"car": {"makes": []}}, "must be a list of names"),
        ({"car": {"models": {"Ford": "F-150"}}}, "list of models by make"),
        ({"car": {"gives_energy_back": False}}, "must be true, or be left out"),
        ({"car": {"from_model_year": 22}}, "must be a year"),
        ({"charger": {"min_power_kw": True}}, "number above 0"),
        ({"devices": ["toaster"]}, "must be a list of car, home_charger"),
    ],
)
def test_rule_that_nobody_knows_is_refused(record: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rules(record)
