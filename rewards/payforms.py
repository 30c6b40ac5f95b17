"""The forms in which a program pays besides its rate per kWh, as data; pure. docs/earnings.md states each form.

A form is computed from its `terms` (what the program promises) and `inputs` (what happened), both plain JSON, so that
anybody can compute it again. Amounts are integers in minor units; a form that divides rounds once, half to even.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

from foundation.money import divide
from foundation.windows import parse_windows

Json = Mapping[str, Any]
Key = TypeVar("Key", bound=Hashable)

SCHEMA = 1
SECONDS_PER_HOUR = 3600
MINOR_UNITS = "minor units"
MONTHS = range(1, 13)
MICROS_PER_MINOR = 10_000  # of USD and CAD, the currencies that are paid


@dataclass(frozen=True)
class Step:
    """One step of the sum: a key of `rewards.wording.STEPS`, the result with its unit, and the numbers it came from."""

    key: str
    value: int | Fraction
    unit: str = ""
    numbers: Mapping[str, int | Fraction] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a form pays. `reason` says in a word why it is nothing."""

    amount_minor: int
    reason: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Form:
    """One form of pay. `needs` are the whole numbers that its terms must have, `may` those that they may."""

    name: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    compute: Callable[[Json, Json], Result]


@dataclass(frozen=True)
class Share:
    """One member's share of a pool; of the `cents_left` after rounding down, the first places get one each."""

    amount_minor: int
    place: int
    cents_left: int


def split(total_minor: int, weights: Mapping[Key, int]) -> dict[Key, Share]:
    """Split an amount by weight so that the shares add up to it: the largest remainders get the cents that are left.

    Equal remainders: whoever comes first in `weights`. Nothing is split where no weight is above 0.
    """
    if sum(weights.values()) <= 0:
        return {}
    keys, divided = list(weights), divide(total_minor, list(weights.values()))
    ordered = sorted(range(len(keys)), key=lambda number: divided.places[number])
    return {keys[n]: Share(divided.shares[n], divided.places[n], divided.left) for n in ordered}


def compute(form: str, terms: Json, inputs: Json) -> Result:
    """Return what the form pays; never more than the terms' `most_minor`. Raises ValueError for an unknown form."""
    if form not in FORMS:
        raise ValueError(f"There is no form of pay {form!r}.")
    result = FORMS[form].compute(terms, inputs)
    most_minor = terms.get("most_minor")
    if most_minor is None or result.amount_minor <= most_minor:
        return result
    step = Step("most", most_minor, MINOR_UNITS)
    return Result(most_minor, "", (*result.steps, step))


def parse_terms(forms: object) -> list[dict[str, Any]]:
    """Return a program's forms of pay, checked, each with its `position`; raises ValueError saying what is wrong."""
    if not isinstance(forms, list):
        raise ValueError("pay: must be a list of forms")  # noqa: TRY004 - what a file says, not what code passes
    return [_parsed(number, form) for number, form in enumerate(forms, start=1)]


def _parsed(number: int, terms: object) -> dict[str, Any]:
    if not isinstance(terms, dict) or terms.get("form") not in FORMS:
        raise ValueError(f"pay {number}: `form` must be one of {', '.join(sorted(FORMS))}")
    form = FORMS[terms["form"]]
    for name in form.needs:
        if name not in terms:
            raise ValueError(f"pay {number}: {form.name} needs `{name}`")
    for name, value in terms.items():
        if name == "months" or (name == "windows" and "windows" in form.needs):
            _check_times(number, name, value)
        elif name not in {"form", "position", "most_minor", *form.needs, *form.may}:
            raise ValueError(f"pay {number}: {form.name} knows no `{name}`")
        elif name != "form" and (type(value) is not int or value < 0):
            raise ValueError(f"pay {number}: `{name}` must be a whole number of at least 0")
    if form.name == "seasonal_capacity" and len(set(terms["months"])) == len(MONTHS):
        raise ValueError(f"pay {number}: a season that never ends is never paid: leave out a month")
    return {**terms, "position": number}


def _check_times(number: int, name: str, value: object) -> None:
    if name == "months":
        if not isinstance(value, list) or not value or not all(month in MONTHS for month in value):
            raise ValueError(f"pay {number}: `months` must be a list of numbers from 1 to 12")
        return
    try:
        has_one = bool(parse_windows(value))
    except ValueError as error:
        raise ValueError(f"pay {number}: {error}") from error
    if not has_one:
        raise ValueError(f"pay {number}: `windows` needs at least one")


def _enrollment_bonus(terms: Json, inputs: Json) -> Result:
    days, wanted = inputs["days_enrolled"], terms.get("after_days", 0)
    step = Step("days", days, "days", {"days": days, "wanted": wanted})
    if days < wanted:
        return Result(0, "left_too_early", (step,))
    return Result(terms["amount_minor"], "", (step, _flat("bonus", terms)))


def _monthly(terms: Json, inputs: Json) -> Result:
    return _loyal(terms, inputs, first="months_events", last="month", late="not_the_whole_month")


def _season_bonus(terms: Json, inputs: Json) -> Result:
    return _loyal(terms, inputs, first="seasons_events", last="season_bonus", late="not_the_whole_season")


def _loyal(terms: Json, inputs: Json, *, first: str, last: str, late: str) -> Result:
    """Return a fixed amount for a period in which the car was in the program and joined as the terms want."""
    asked, joined, opted_out = inputs["events"], inputs["joined"], inputs["opted_out"]
    steps: tuple[Step, ...] = (Step(first, joined, numbers={"asked": asked, "joined": joined}),)
    if not inputs["is_whole_season" if last == "season_bonus" else "is_whole_month"]:
        return Result(0, late, steps)
    if "max_opt_outs" in terms:
        numbers = {"opted_out": opted_out, "allowed": terms["max_opt_outs"]}
        steps += (Step("left_out", opted_out, numbers=numbers),)
        if opted_out > terms["max_opt_outs"]:
            return Result(0, "too_many_left_out", steps)
    if "min_joined_percent" in terms and 100 * joined < terms["min_joined_percent"] * asked:
        numbers = {"joined": joined, "asked": asked, "wanted": terms["min_joined_percent"]}
        return Result(0, "too_few_joined", (*steps, Step("too_few", terms["min_joined_percent"], "%", numbers)))
    return Result(terms["amount_minor"], "", (*steps, _flat(last, terms)))


def _charging_rate(terms: Json, inputs: Json) -> Result:
    inside, rate = inputs["window_wh"], terms["micros_per_kwh"]
    step = Step("window_energy", inside, "Wh", {"charged": inputs["charged_wh"]})
    amount_minor = round(Fraction(inside * rate, 1000 * MICROS_PER_MINOR))
    if not amount_minor:
        return Result(0, "nothing_in_hours", (step,))
    cents = Fraction(rate, MICROS_PER_MINOR)
    return Result(
        amount_minor, "", (step, Step("window_pays", amount_minor, MINOR_UNITS, {"wh": inside, "cents": cents}))
    )


def _charging_share(terms: Json, inputs: Json) -> Result:
    inside, whole, wanted = inputs["window_wh"], inputs["charged_wh"], terms["min_percent"]
    step = Step("window_energy", inside, "Wh", {"charged": whole})
    if not whole:
        return Result(0, "nothing_charged", (step,))
    numbers = {"inside": inside, "whole": whole, "wanted": wanted}
    steps = (step, Step("window_share", Fraction(100 * inside, whole), "%", numbers))
    if 100 * inside < wanted * whole:
        return Result(0, "too_little_in_hours", steps)
    return Result(terms["amount_minor"], "", (*steps, _flat("month", terms)))


def _per_event(terms: Json, inputs: Json) -> Result:
    delivered, wanted = inputs["credited_wh"], terms.get("min_credited_wh", 1)
    step = Step("least", delivered, "Wh", {"wanted": wanted})
    if delivered < wanted:
        return Result(0, "too_little_delivered", (step,))
    return Result(terms["amount_minor"], "", (step, _flat("event", terms)))


def _seasonal_capacity(terms: Json, inputs: Json) -> Result:
    wh, seconds = inputs["credited_wh"], inputs["event_seconds"]
    if not seconds:
        return Result(0, "no_events", (Step("no_events", 0),))
    kilowatts = Fraction(wh * SECONDS_PER_HOUR, seconds * 1000)
    hours = Fraction(seconds, SECONDS_PER_HOUR)
    amount_minor = round(kilowatts * terms["minor_per_kw"])
    return Result(
        amount_minor,
        "" if amount_minor else "too_little_delivered",
        (
            Step("season_delivered", wh, "Wh", {"events": inputs["events"]}),
            Step("season_hours", hours, "h"),
            Step("mean_power", kilowatts, "kW", {"wh": wh, "hours": hours}),
            Step("season", amount_minor, MINOR_UNITS, {"kilowatts": kilowatts, "cents": terms["minor_per_kw"]}),
        ),
    )


def _pool(terms: Json, inputs: Json) -> Result:
    own, whole, pool_minor = inputs["own_wh"], inputs["total_wh"], terms["pool_minor"]
    floor, gets_cent = pool_minor * own // whole, inputs["place"] < inputs["cents_left"]
    left = {"cents": inputs["cents_left"], "place": inputs["place"] + 1, "members": inputs["members"]}
    return Result(
        floor + gets_cent,
        "",
        (
            Step("pool", pool_minor, MINOR_UNITS),
            Step("share", Fraction(100 * own, whole), "%", {"own": own, "whole": whole}),
            Step("rounded_down", floor, MINOR_UNITS, {"pool": pool_minor, "own": own, "whole": whole}),
            Step("left", int(gets_cent), MINOR_UNITS, left),
        ),
    )


def _flat(key: str, terms: Json) -> Step:
    return Step(key, terms["amount_minor"], MINOR_UNITS)


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("enrollment_bonus", ("amount_minor",), ("after_days",), _enrollment_bonus),
        Form("monthly", ("amount_minor",), ("max_opt_outs", "min_joined_percent"), _monthly),
        Form("per_event", ("amount_minor",), ("min_credited_wh",), _per_event),
        Form("seasonal_capacity", ("minor_per_kw", "months"), (), _seasonal_capacity),
        Form("season_bonus", ("amount_minor", "months"), ("max_opt_outs", "min_joined_percent"), _season_bonus),
        Form("charging_rate", ("micros_per_kwh", "windows"), (), _charging_rate),
        Form("charging_share", ("amount_minor", "min_percent", "windows"), (), _charging_share),
        Form("pool", ("pool_minor",), (), _pool),
    )
}
