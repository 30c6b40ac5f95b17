"""Day matching by hand-made days: which days count, how far the same day may move them, and when there are too few."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from grid.metering.day_matching import RULES, DayLoad, NotEnoughDays, match_days

TEN, FIVE = RULES["ten-of-ten", 2], RULES["five-of-ten", 2]
TODAY = date(2026, 11, 18)  # a Wednesday


def day(at: date, event: int | None, before: int | None = 1000) -> DayLoad:
    return DayLoad(at, *((None if wh is None else Fraction(wh),) * 2 for wh in (event, before)))


def history(*events: int | None, ends: date = TODAY) -> dict[date, DayLoad]:
    """The days before today with the given energies a slot, yesterday first."""
    return {at: day(at, event) for place, event in enumerate(events, start=1) for at in [ends - timedelta(days=place)]}


def working_days(count: int) -> list[date]:
    days = (TODAY - timedelta(days=back) for back in range(1, 60))
    return [at for at in days if at.weekday() < 5][:count]


def known(**energies: int) -> dict[date, DayLoad]:
    return {at: day(at, energies.get(f"d{place}", 2000)) for place, at in enumerate(working_days(12))}


def test_ten_of_ten_is_the_mean_of_the_last_ten_working_days() -> None:
    match = match_days(rule=TEN, today=day(TODAY, 0), history=known(d0=4000, d10=90_000))
    assert match.slots_wh == (Fraction(2200), Fraction(2200))
    assert match.days == tuple(sorted(working_days(10)))
    assert (match.factor, match.uncapped_factor) == (Fraction(1), Fraction(1))


def test_five_of_ten_takes_the_days_with_most_load() -> None:
    energies = {f"d{place}": 1000 * (place + 1) for place in range(10)}
    match = match_days(rule=FIVE, today=day(TODAY, 0), history=known(**energies))
    assert match.energy_wh == 2 * 8000
    assert match.days == tuple(sorted(working_days(10)[5:]))


@pytest.mark.parametrize(
    ("rule", "before", "factor"),
    [(TEN, 1100, "1.1"), (TEN, 9000, "1.2"), (TEN, 0, "0.8"), (FIVE, 9000, "1.4"), (FIVE, 0, "0.6")],
)
def test_same_day_moves_the_baseline_within_its_cap(rule: object, before: int, factor: str) -> None:
    match = match_days(rule=rule, today=day(TODAY, 0, before), history=known())  # type: ignore[arg-type]
    assert match.factor == Fraction(factor)
    assert match.slots_wh[0] == 2000 * Fraction(factor)
    assert match.uncapped_factor == Fraction(before, 1000)


@pytest.mark.parametrize(("usual", "today"), [(0, 500), (-100, 500), (1000, None)])
def test_without_a_load_to_compare_the_baseline_stays(usual: int, today: int | None) -> None:
    days = {at: day(at, 2000, usual) for at in working_days(10)}
    match = match_days(rule=TEN, today=day(TODAY, 0, today), history=days)
    assert (match.factor, match.uncapped_factor) == (Fraction(1), None)


def test_event_days_managed_days_weekends_holidays_and_holes_do_not_count() -> None:
    days = working_days(12)
    loads = known(d0=90_000, d1=90_000) | {days[2]: day(days[2], None)} | history(*[50_000] * 40)
    loads |= {at: day(at, 2000) for at in days[2:]} | {days[2]: day(days[2], None)}
    match = match_days(
        rule=TEN, today=day(TODAY, 0), history=loads, excluded={days[0]}, holidays={days[1]} | set(days[12:])
    )
    assert not {days[0], days[1], days[2]} & set(match.days)
    assert all(at.weekday() < 5 for at in match.days)


def test_days_beyond_the_look_back_and_after_today_do_not_count() -> None:
    old = {TODAY - timedelta(days=back): day(TODAY - timedelta(days=back), 1) for back in range(46, 90)}
    later = {TODAY + timedelta(days=ahead): day(TODAY + timedelta(days=ahead), 1) for ahead in range(9)}
    with pytest.raises(NotEnoughDays):
        match_days(rule=TEN, today=day(TODAY, 0), history=old | later)


def test_error_says_how_the_days_scatter() -> None:
    even = match_days(rule=TEN, today=day(TODAY, 0), history=known())
    assert even.error_wh == 0
    energies = {f"d{place}": 2000 + 100 * (-1) ** place for place in range(10)}
    # Energies of 4,200 and 3,800 Wh, five each: s^2 = 400,000 / 9; the error is s * sqrt(1.1).
    match = match_days(rule=TEN, today=day(TODAY, 0), history=known(**energies))
    assert match.error_wh == pytest.approx((400_000 / 9 * 1.1) ** 0.5)


def test_days_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="slots"):
        match_days(rule=TEN, today=DayLoad(TODAY, (Fraction(0),), (Fraction(0),)), history=known())
