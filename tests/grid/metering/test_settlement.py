"""From readings to money: what a car delivered, against numbers worked out by hand."""

import json
import runpy
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.metering import evidence
from grid.metering.baselines import METHODS, Method, charging_window, hours, method_of
from grid.metering.cases import Car, Case, Frozen, Reading, Stay, Window
from grid.metering.energy import MAX_EDGE_GAP, net_energy, value_at
from grid.metering.settlement import metered_wh, readings_needed, series, settle
from tests.grid.metering.cases import CAR, EVENT, at, case, meter, seen, stay

VERIFY = runpy.run_path(str(Path(__file__).parents[3] / "proof" / "verify.py"))
# The car would have charged 10 kW from 17:00 to 21:00: 20 kWh of it in the event.
FULL = stay(soc="90")
HELD = (meter("17:55", 1000), meter("18:05", 1000), meter("19:55", 1000), meter("20:05", 1000))


@pytest.mark.parametrize(
    ("facts", "energies", "grade", "reason"),
    [
        pytest.param(case(*HELD), (20_000, 0, 20_000), "measured", "", id="held for the whole event"),
        pytest.param(
            case(meter("17:55", 0), meter("18:05", 0), meter("19:55", 0, 18_000), meter("20:05", 0, 20_000)),
            (20_000, -19_000, 39_000),
            "measured",
            "",
            id="discharged: the last of it half inside the event",
        ),
        pytest.param(
            case(meter("17:30", 0), meter("18:30", 10_000), meter("19:30", 20_000), meter("20:30", 30_000)),
            (20_000, 20_000, 0),
            "measured",
            "no_reduction",
            id="charged on as if nothing were asked",
        ),
        pytest.param(
            case(seen("18:00", "60"), seen("20:00", "60")), (20_000, 0, 20_000), "derived", "", id="no meter: from SoC"
        ),
        pytest.param(
            case(seen("18:00", "60"), seen("20:00", "69")),
            (20_000, 9_000, 11_000),
            "derived",
            "",
            id="no meter: SoC gained 8.1 kWh, 9 kWh at the plug",
        ),
        pytest.param(
            case(seen("18:00", "90"), seen("20:00", "88"), stays=(FULL,)),
            (0, 0, 0),
            "derived",
            "nothing_to_shift",
            id="full battery that sinks a little delivers nothing",
        ),
        pytest.param(
            case(meter("20:10", 0), stays=()), (0, 0, 0), "derived", "not_plugged_in", id="was somewhere else"
        ),
        pytest.param(
            case(meter("17:55", 0), meter("18:05", 0)),
            (20_000, None, 0),
            "missing",
            "readings_missing",
            id="fell silent",
        ),
        pytest.param(case(), (20_000, None, 0), "missing", "readings_missing", id="no readings at all"),
        pytest.param(
            case(meter("16:00", 0), meter("20:05", 9_000)),
            (20_000, None, 0),
            "missing",
            "readings_missing",
            id="four hours without a reading, and the meter moved",
        ),
        pytest.param(
            case(meter("14:00", 1000), meter("22:00", 1000)),
            (20_000, 0, 20_000),
            "measured",
            "",
            id="eight hours without a reading, but the meter stood still",
        ),
        pytest.param(
            case(meter("17:55", 9_000, soc="60"), meter("18:05", 9_000, soc="60"), meter("20:05", 10, soc="60")),
            (20_000, 0, 20_000),
            "derived",
            "",
            id="a meter that ran backwards is not believed",
        ),
        pytest.param(
            case(*HELD, stays=(stay(unplugged="19:00"),)), (10_000, 0, 10_000), "measured", "", id="left at half time"
        ),
        pytest.param(
            case(*HELD, stays=(stay("16:00", unplugged="18:30"), stay("19:30", soc="89.1"))),
            # 18:00-18:30 at 10 kW, then 0.9 % of 90 kWh / 0.9 = 900 Wh from 19:30.
            (5_900, 0, 5_900),
            "measured",
            "",
            id="two stays, each from its own plug-in",
        ),
        pytest.param(
            case(
                meter("18:00", 0),
                meter("19:00", 10_000),
                meter("20:00", 20_000),
                kind="absorb",
                stays=(FULL,),
            ),
            (0, 20_000, 20_000),
            "measured",
            "",
            id="absorb: charged what it would not have",
        ),
        pytest.param(
            case(*HELD, kind="absorb"), (20_000, 0, 0), "measured", "no_increase", id="absorb: did not charge"
        ),
    ],
)
def test_settlement_of(facts: Case, energies: tuple[int, int | None, int], grade: str, reason: str) -> None:
    """The energies are baseline, net and credited Wh."""
    result = settle(facts)

    assert (result.baseline_wh, result.net_wh, result.credited_wh) == energies
    assert (result.grade, result.reason) == (grade, reason)
    assert result.amount_minor == energies[2] // 10  # 1.00 USD per kWh is 0.1 cent per Wh


@pytest.mark.parametrize(
    ("rate_micros", "net", "cents"),
    [(333_333, 0, 667), (2_000_000, 19_995, 1), (2_000_000, 19_998, 0), (10_000, 19_500, 0), (10_000, 18_500, 2)],
    ids=["a third of a dollar", "0.01 exactly", "0.4 cent", "half a cent rounds to even 0", "1.5 cents round to 2"],
)
def test_amount_is_rounded_once_half_to_even(rate_micros: int, net: int, cents: int) -> None:
    facts = case(meter("18:00", 0), meter("19:00", net), meter("20:00", net), rate_micros_per_kwh=rate_micros)

    assert settle(facts).amount_minor == cents


def test_unknown_energy_is_never_zero() -> None:
    result = settle(case(meter("17:55", 0)))

    assert result.net_wh is None
    assert result.delivered_wh is None
    assert result.credited_wh == 0


def test_baseline_needs_a_method_that_is_known() -> None:
    with pytest.raises(ValueError, match="no baseline method"):
        settle(case(*HELD, method_version=99))


def test_event_of_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be settled"):
        case(*HELD, kind="dance")


def test_published_baseline_stays_what_it_was() -> None:
    """A method once used for money never changes: this is version 1's answer for ever."""
    method: Method = method_of("uncontrolled-at-plug-in", 1)
    window = charging_window(stay=stay(soc="50.00", limit="80.00"), car=CAR)

    assert window == Window(at("17:00"), at("20:00"))
    assert [segment.energy_wh for segment in method.estimate(case(stays=(stay(limit="80"),)))] == [Fraction(20_000)]
    assert set(METHODS) >= {("uncontrolled-at-plug-in", 1)}


def test_stay_that_was_over_when_the_frozen_one_began_counts_as_recorded() -> None:
    """The owner was told amid the event, after a stay in it had ended and while the next one was under way."""
    noticed = Frozen(at("18:40"), Decimal(60), stay("18:30", soc="60", limit="80"))
    over, under_way = stay("17:00", unplugged="18:20"), stay("18:30", soc="60", limit="95", unplugged="19:30")
    facts = case(*HELD, stays=(over, under_way), method_version=2, frozen=noticed)

    assert settle(facts).baseline_wh == round(10_000 * (20 + 60) / 60)
    assert VERIFY["recompute"](evidence.write(facts, settle(facts)))["baseline_wh"] == settle(facts).baseline_wh


def test_meter_that_was_not_read_gave_nobody_knows_what() -> None:
    """A car without a meter gave nothing by the meters; of one whose meter was silent for a while it is not known."""
    silent = (
        meter("17:55", 0, 0, "60"),
        meter("18:05", 0, 0, "60"),
        seen("19:55", "55"),
        meter("20:30", 0, 8_000, "55"),
    )
    meterless = (seen("17:55", "60"), seen("20:05", "60"))
    told = [metered_wh(facts, settle(facts)) for facts in (case(*HELD), case(*silent), case(*meterless))]
    assert told == [0, None, 0]


def test_series_adds_up_to_the_settlement() -> None:
    facts = case(meter("17:55", 0), meter("18:40", 3_000), meter("19:20", 4_000, 500), meter("20:05", 4_000, 9_000))
    result, intervals = settle(facts), series(facts)

    assert len(intervals) == 8
    assert sum(interval.baseline_w for interval in intervals) / 4 == result.baseline_wh
    assert result.net_wh is not None
    assert sum(interval.net_w or 0 for interval in intervals) / 4 == pytest.approx(result.net_wh, abs=2)


def test_series_leaves_a_gap_where_nothing_is_known() -> None:
    assert [interval.net_w for interval in series(case(meter("17:00", 0), meter("20:00", 9_000)))] == [None] * 8


def test_readings_far_from_the_event_are_not_kept_as_evidence() -> None:
    far = (meter("10:00", 1), meter("17:30", 5), *HELD, meter("20:30", 1000), meter("23:00", 1000))

    assert readings_needed(far, EVENT) == HELD


def test_evidence_without_the_result_gives_the_same_result() -> None:
    facts = case(meter("17:55", 10), meter("18:05", 20, 30), meter("20:05", 20, 9_000), soc := seen("21:00", None))
    assert soc in facts.readings
    record = json.loads(json.dumps(evidence.write(facts, settle(facts))))
    record.pop("result")
    record.pop("workings")

    assert evidence.recompute(record) == settle(facts)


def test_evidence_of_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema"):
        evidence.read({"schema": 99})


minutes = st.integers(min_value=0, max_value=180)
counters = st.lists(st.integers(min_value=0, max_value=2_000), min_size=2, max_size=30)


def _readings(steps: list[int], every: int = 10) -> tuple[Reading, ...]:
    total, readings = 0, []
    for place, step in enumerate(steps):
        total += step
        readings.append(Reading(at("17:00") + timedelta(minutes=every * place), None, total, 0))
    return tuple(readings)


@given(steps=counters, cut=minutes)
def test_interpolated_energy_of_two_parts_is_that_of_the_whole(steps: list[int], cut: int) -> None:
    readings = _readings([0, *steps])
    first, last = readings[0].observed_at, readings[-1].observed_at
    between = min(first + timedelta(minutes=cut), last)
    whole, left, right = (
        net_energy(readings=readings, window=window, car=CAR).net_wh
        for window in (Window(first, last), Window(first, between), Window(between, last))
    )

    assert left is not None
    assert right is not None
    assert left + right == whole == sum(steps)


@given(steps=counters, cut=minutes)
def test_interpolated_value_lies_between_its_neighbours(steps: list[int], cut: int) -> None:
    points = [(reading.observed_at, Fraction(reading.imported_wh or 0)) for reading in _readings([0, *steps])]
    moment = at("17:00") + timedelta(minutes=cut)
    value = value_at(points, moment)

    known = points[0][0] <= moment <= points[-1][0]
    assert (value is not None) == known
    if value is not None:
        assert max(v for t, v in points if t <= moment) <= value <= min(v for t, v in points if t >= moment)


@given(
    noise=st.lists(st.integers(min_value=-3, max_value=3), min_size=19, max_size=19),
    kind=st.sampled_from(["hold", "discharge"]),
)
def test_noise_of_an_idle_full_car_earns_nothing(noise: list[int], kind: str) -> None:
    readings = tuple(
        seen(f"{17 + place // 6}:{place % 6 * 10:02d}", f"{90 + step / 10:.1f}") for place, step in enumerate(noise)
    )
    result = settle(case(*readings, meter("20:30", 0), kind=kind, stays=(FULL,)))

    assert result.grade == "derived"
    assert result.amount_minor == 0


@given(steps=st.lists(st.integers(min_value=0, max_value=1_666), min_size=25, max_size=25))
def test_credit_never_exceeds_baseline_and_what_was_exported(steps: list[int]) -> None:
    result = settle(case(*_readings([0, *steps])))

    assert result.net_wh is not None
    assert 0 <= result.credited_wh <= result.baseline_wh
    assert result.credited_wh == max(0, result.baseline_wh - result.net_wh)


@given(
    soc=st.integers(min_value=0, max_value=100),
    limit=st.integers(min_value=0, max_value=100),
    plugged=minutes,
    power_w=st.integers(min_value=1_000, max_value=25_000),
)
def test_baseline_never_holds_more_than_the_battery_takes(soc: int, limit: int, plugged: int, power_w: int) -> None:
    car = Car(CAR.capacity_wh, CAR.charge_efficiency, power_w)
    begun = Stay(at("16:00") + timedelta(minutes=plugged), None, Decimal(soc), Decimal(limit))
    result = settle(case(stays=(begun,), car=car))

    room_wh = max(0, limit - soc) * 1000
    assert 0 <= result.baseline_wh <= min(room_wh + 1, power_w * 2)
    assert all(
        EVENT.starts_at <= part.window.starts_at < part.window.ends_at <= EVENT.ends_at for part in result.segments
    )


def test_gap_that_is_just_short_enough_is_interpolated() -> None:
    longest = MAX_EDGE_GAP
    readings = (Reading(at("17:30"), None, 0, 0), Reading(at("17:30") + longest, None, 600, 0), meter("20:00", 600))
    too_far = (readings[0], Reading(at("17:30") + longest + timedelta(seconds=1), None, 600, 0), readings[2])

    assert net_energy(readings=readings, window=EVENT, car=CAR).net_wh == 300
    assert net_energy(readings=too_far, window=EVENT, car=CAR).net_wh is None


def test_hours_are_exact() -> None:
    assert hours(timedelta(minutes=20)) == Fraction(1, 3)
