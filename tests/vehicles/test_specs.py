import pytest

from vehicles.specs import MOST_AC_W, UNKNOWN, Spec, _table, find_spec


@pytest.mark.parametrize(
    ("car", "spec"),
    [
        pytest.param(("Ford", "Mustang Mach-E", 2024, "Premium"), Spec(82_000, 11_000), id="trim as in the table"),
        pytest.param(("ford", "MUSTANG MACH-E", 2024, "premium"), Spec(82_000, 11_000), id="however it is written"),
        pytest.param(
            ("Ford", "F-150 Lightning", 2024, "Lariat Extended Range"), Spec(123_000, 11_300), id="extended range"
        ),
        pytest.param(("Ford", "Mustang Mach-E", 2024, "Standard Range"), Spec(70_000, 11_000), id="standard range"),
        pytest.param(
            ("Ford", "F-150 Lightning", 2024, ""), Spec(123_000, 11_300, is_assumed=True), id="no trim: ask the owner"
        ),
        pytest.param(("Ford", "F-150 Lightning", 2035, "Pro"), Spec(91_000, 11_300), id="nearest year"),
        pytest.param(("Ford", "Model T", 1920, ""), UNKNOWN, id="unknown car"),
        pytest.param(("", "", None, ""), UNKNOWN, id="nameless car"),
    ],
)
def test_spec_of(car: tuple[str, str, int | None, str], spec: Spec) -> None:
    make, model, model_year, trim = car

    assert find_spec(make=make, model=model, model_year=model_year, trim=trim) == spec


def test_no_car_charges_faster_than_a_home_charger_gives() -> None:
    fastest = max(row.spec.max_charge_w for rows in _table().values() for row in rows)

    assert fastest == MOST_AC_W


def test_guess_never_makes_a_car_late() -> None:
    for (make, model), rows in _table().items():
        guess = find_spec(make=make, model=model, model_year=None)
        newest = max(row.model_year for row in rows)
        same_year = [row.spec for row in rows if row.model_year == newest]
        assert guess.capacity_wh == max(spec.capacity_wh for spec in same_year)
        assert guess.max_charge_w <= max(spec.max_charge_w for spec in same_year)
