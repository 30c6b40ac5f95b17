"""Day-matching baselines of a group: 10-of-10 and 5-of-10, with a same-day adjustment that is capped.

What the group drew on similar days before the event stands for what it would have drawn: similar means working day or
not (a holiday is none, since version 2), seen in full, and neither an event day nor a day on which our plans moved
charging, for such a day is no example of a group left alone. One car's day is mostly chance, so these methods are for
groups.

Source: CAISO, demand response baselines (10-in-10 with +/-20 %, residential 5-in-10 with +/-40 %, look-back 45 days,
adjustment over the hours that begin four hours and end two hours before the event).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import sqrt

SATURDAY = 5


class NotEnoughDays(Exception):
    """Too few similar days are known for a baseline; another method must serve, and no number is made up."""


@dataclass(frozen=True)
class DayRule:
    """One day-matching method: of the last `pool` similar days within `look_back`, the `chosen` with most load.

    `cap` bounds the adjustment: 1/5 lets the same day scale the baseline by 0.8 to 1.2.
    """

    name: str
    version: int
    pool: int
    chosen: int
    fewest: int  # of the pool; working days and other days alike
    cap: Fraction
    knows_holidays: bool = True  # a holiday is no working day
    look_back: timedelta = timedelta(days=45)


RULES: dict[tuple[str, int], DayRule] = {
    (rule.name, rule.version): rule
    for rule in (
        DayRule("ten-of-ten", 1, pool=10, chosen=10, fewest=4, cap=Fraction(1, 5), knows_holidays=False),
        DayRule("five-of-ten", 1, pool=10, chosen=5, fewest=5, cap=Fraction(2, 5), knows_holidays=False),
        DayRule("ten-of-ten", 2, pool=10, chosen=10, fewest=4, cap=Fraction(1, 5)),
        DayRule("five-of-ten", 2, pool=10, chosen=5, fewest=5, cap=Fraction(2, 5)),
    )
}


@dataclass(frozen=True)
class DayLoad:
    """What the group took on one day, AC side, Wh a slot (exports negative); None = not known, which is never zero.

    `event_wh` covers the slots of the event's hours, `before_wh` those of the adjustment's.
    """

    day: date
    event_wh: tuple[Fraction | None, ...]
    before_wh: tuple[Fraction | None, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every slot is known."""
        return None not in self.event_wh and None not in self.before_wh


@dataclass(frozen=True)
class DayMatch:
    """A baseline: Wh a slot of the event, the days behind it and the factor of the same day.

    `error_wh` is the standard error of the event's whole energy as the chosen days scatter: one day's spread times
    sqrt(1 + 1/n). `uncapped_factor` None = the days before gave nothing to compare with.
    """

    slots_wh: tuple[Fraction, ...]
    days: tuple[date, ...]
    factor: Fraction
    uncapped_factor: Fraction | None
    error_wh: float

    @property
    def energy_wh(self) -> Fraction:
        """The whole event's baseline, exact."""
        return sum(self.slots_wh, Fraction(0))


def match_days(
    *,
    rule: DayRule,
    today: DayLoad,
    history: Mapping[date, DayLoad],
    excluded: Collection[date] = (),
    holidays: Collection[date] = (),
) -> DayMatch:
    """Return the group's baseline for `today`'s event.

    `history` holds earlier days; `excluded` names event days and managed days, `holidays` days that count as weekend
    (with rules that know them).
    Raises NotEnoughDays, and ValueError for days of other lengths than today's.
    """
    pool = _pool(rule, today.day, history, set(excluded), set(holidays) if rule.knows_holidays else set())
    if len(pool) < rule.fewest:
        raise NotEnoughDays(f"{len(pool)} similar days are known, {rule.fewest} are needed")
    if any(len(day.event_wh) != len(today.event_wh) or len(day.before_wh) != len(today.before_wh) for day in pool):
        raise ValueError("Every day has as many slots as the event's.")
    # Most load first; of equal days the later one, so that the choice is one and the same for ever.
    chosen = sorted(pool, key=lambda day: (_total(day.event_wh), day.day), reverse=True)[: rule.chosen]
    plain = [_mean([_known(day.event_wh[slot]) for day in chosen]) for slot in range(len(today.event_wh))]
    factor, uncapped = _adjustment(rule, today, chosen)
    return DayMatch(
        slots_wh=tuple(value * factor for value in plain),
        days=tuple(sorted(day.day for day in chosen)),
        factor=factor,
        uncapped_factor=uncapped,
        error_wh=float(factor) * _prediction_error([_total(day.event_wh) for day in chosen]),
    )


def _pool(
    rule: DayRule, today: date, history: Mapping[date, DayLoad], excluded: set[date], holidays: set[date]
) -> list[DayLoad]:
    """Return the last similar days that are known in full, newest first."""
    earliest = today - rule.look_back
    days = (history[day] for day in sorted(history, reverse=True) if earliest <= day < today and day not in excluded)
    wanted = _is_working_day(today, holidays)
    return [day for day in days if day.is_whole and _is_working_day(day.day, holidays) == wanted][: rule.pool]


def _is_working_day(day: date, holidays: set[date]) -> bool:
    return day.weekday() < SATURDAY and day not in holidays


def _adjustment(rule: DayRule, today: DayLoad, chosen: Sequence[DayLoad]) -> tuple[Fraction, Fraction | None]:
    """Return the capped and the plain ratio of today's load to the chosen days' before the event.

    Without a load to compare, or with a negative one, there is no ratio and the baseline stays as it is.
    """
    usual = _mean([_total(day.before_wh) for day in chosen])
    if None in today.before_wh or usual <= 0:
        return Fraction(1), None
    plain = _total(today.before_wh) / usual
    return min(max(plain, 1 - rule.cap), 1 + rule.cap), plain


def _prediction_error(energies: Sequence[Fraction]) -> float:
    count = len(energies)
    if count < 2:
        return float("inf")
    mean = _mean(energies)
    variance = sum(((energy - mean) ** 2 for energy in energies), Fraction(0)) / (count - 1)
    return sqrt(variance * (1 + Fraction(1, count)))


def _total(slots: Sequence[Fraction | None]) -> Fraction:
    return sum((_known(slot) for slot in slots), Fraction(0))


def _known(slot: Fraction | None) -> Fraction:
    assert slot is not None, "a day that is not whole is in no pool"
    return slot


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)
