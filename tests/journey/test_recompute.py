"""The independent calculator, on the worked example of docs/settlement.md and on cases worked out by hand."""

import json
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from journey.recompute import Member, Rule, Served, baseline_wh, cents, group_cents, meter_gap, net_wh, rule_of, served

START = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
HOLD = Rule(
    kind="hold",
    starts_at=START,
    ends_at=START + timedelta(hours=2),
    dollars_per_kwh=Fraction(2),
    plugged_in_at=START - timedelta(minutes=50),
    soc_at_plug_in_percent=Fraction(62),
    limit_percent=Fraction(90),
    capacity_wh=90_000,
    charger_w=9600,
    efficiency=Fraction(9, 10),
)


def at(minutes: int, soc: str = "62", imported: int | None = None, exported: int | None = None) -> Served:
    def exact(value: int | None) -> Fraction | None:
        return None if value is None else Fraction(value)

    return Served(START + timedelta(minutes=minutes), Fraction(soc), exact(imported), exact(exported))


def test_the_worked_example_of_the_documentation_comes_out() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settlement.md").read_text()
    example = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    readings = [
        Served(
            datetime.fromisoformat(one["observed_at"]),
            Fraction(one["soc_percent"]),
            Fraction(one["imported_wh"]),
            Fraction(one["exported_wh"]),
        )
        for one in example["readings"]
    ]
    assert cents(readings, rule_of(example)) == 3685


def test_discharging_earns_the_baseline_and_what_was_given() -> None:
    readings = [at(-5, imported=0, exported=0), at(0, imported=0, exported=0), at(120, imported=0, exported=10_000)]
    assert net_wh(readings, HOLD) == -10_000
    assert cents(readings, HOLD) == round((19_200 + 10_000) * 2 / 10)


def test_without_a_meter_the_state_of_charge_counts() -> None:
    readings = [at(0, soc="62"), at(120, soc="63")]
    assert net_wh(readings, HOLD) == 1000


def test_a_car_that_was_full_before_the_event_has_no_baseline() -> None:
    full = Rule(**{**HOLD.__dict__, "soc_at_plug_in_percent": Fraction(90)})
    assert baseline_wh(full) == 0
    assert cents([at(0), at(120)], full) == 0


def test_a_car_that_charged_more_than_its_baseline_owes_nothing() -> None:
    assert cents([at(0, imported=0, exported=0), at(120, imported=30_000, exported=0)], HOLD) == 0


def test_a_reading_of_a_car_without_a_meter_has_whole_seconds() -> None:
    record = {"observedAt": "2026-11-18T18:00:00.900000+00:00", "socPercent": 62.1, "importedWh": None}
    assert served(record).observed_at == START


@pytest.mark.parametrize(("true_wh", "gap"), [(1000.0, 0), (1200.0, -200)])
def test_the_meter_gap_is_the_difference_inside_the_event(true_wh: float, gap: int) -> None:
    records = [
        {
            "observedAt": (START + timedelta(minutes=minutes)).isoformat(),
            "socPercent": 62,
            "importedWh": imported,
            "exportedWh": 0,
            "trueImportedWh": true,
            "trueExportedWh": 0.0,
        }
        for minutes, imported, true in [(-10, 5, 5.0), (0, 0, 0.0), (110, 1000, true_wh), (125, 9000, 9000.0)]
    ]
    read, true = meter_gap(records, HOLD)
    assert read - true == gap


def test_the_documentations_group_of_three_comes_out() -> None:
    members = [Member(True, 19_200, 18_423), Member(True, 5_000, -2_900), Member(True, 11_000, None)]
    assert group_cents(members, HOLD) == [2_540, 662, 1_455]
    assert group_cents([Member(False, 1, 500), *members], HOLD) == [0, 2_540, 662, 1_455]
