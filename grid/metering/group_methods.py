"""How a group's delivery is measured: named, versioned methods that never change once used.

A corrected method is a new version beside the old one, so that every settlement can be recomputed for ever. Each takes
the members' own energies, and what else it needs from the case's `inputs`; where it cannot tell, it says so and no
number is made up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import sqrt
from typing import Any

from grid.metering.control_groups import FEWEST, difference_of_means
from grid.metering.day_matching import RULES, DayLoad, NotEnoughDays, match_days
from grid.metering.groups import CONTROL, TREATED, GroupCase, GroupResult, Measured, Members, price


class NotKnown(Exception):
    """The method cannot tell what the group delivered; the message says why."""


@dataclass(frozen=True)
class GroupMethod:
    """One method: its rule, and what it needs besides the members' energies."""

    name: str
    version: int
    measure: Callable[[GroupCase], Measured]
    needs_history: bool = False
    needs_meters: bool = False


def settle_group(case: GroupCase) -> GroupResult:
    """Return what the group delivered and earned: by its method, else by the fallback that its terms name.

    Where neither can tell, nothing is stated and nothing owed, for a written reason. Raises ValueError for a method
    that is not in the registry.
    """
    reasons = []
    for name, version in dict.fromkeys([(case.method, case.method_version), *filter(None, [case.fallback])]):
        try:
            measured = group_method(name, version).measure(case)
        except NotKnown as unknown:
            reasons.append(f"{name} {version}: {unknown}")
        else:
            return price(case, measured, method=(name, version), reason="; ".join(reasons))
    return price(case, None, method=(case.method, case.method_version), reason="; ".join(reasons))


def group_method(name: str, version: int) -> GroupMethod:
    """Return the method; raises ValueError for one that is not in the registry."""
    try:
        return GROUP_METHODS[name, version]
    except KeyError:
        raise ValueError(f"There is no group method {name!r} version {version}.") from None


def _sum_of_cars(case: GroupCase) -> Measured:
    """Add the cars' signed deliveries; the mean of those known stands in for those that are not."""
    members, sign = case.members, _sign(case.kind)
    known = _known(members, members.net_wh)
    own = [sign * (members.baseline_wh[number] - (members.net_wh[number] or 0)) for number in known]
    cars = members.roles.count(TREATED)
    delivered = _scaled(sum(own), cars, len(known))
    baseline = _scaled(sum(members.baseline_wh[number] for number in known), cars, len(known))
    return _measured(case, (baseline, delivered), _error_of_sum(own, cars), len(known))


def _against_control(case: GroupCase) -> Measured:
    """Compare the mean net energy of the cars that took part with that of the control group."""
    members = case.members
    treated = [Fraction(members.net_wh[number] or 0) for number in _known(members, members.net_wh)]
    control = [Fraction(wh) for number in members.places(CONTROL) if (wh := members.net_wh[number]) is not None]
    if min(len(treated), len(control)) < FEWEST:
        raise NotKnown(f"{len(treated)} cars and {len(control)} control cars are known, each needs {FEWEST}")
    cars = members.roles.count(TREATED)
    found = difference_of_means(kind=case.kind, treated_wh=treated, control_wh=control)
    baseline = round(sum(control) * cars / len(control))
    delivered = round(found.per_car_wh * cars)
    error_wh = found.error_wh / len(treated) * cars
    return _measured(case, (baseline, delivered), error_wh, len(treated), {"control_known": len(control)})


def _metered_output(case: GroupCase) -> Measured:
    """Count what the meters say was given (absorb: taken), without a baseline: nothing unmetered counts.

    A car without a meter gave nothing by this method's rule; one that was not read is not known.
    """
    members = case.members
    if len(members.metered_wh) != len(members.roles):
        raise NotKnown("no meters were looked at")
    known = _known(members, members.metered_wh)
    own = [members.metered_wh[number] or 0 for number in known]
    cars = members.roles.count(TREATED)
    delivered = _scaled(sum(own), cars, len(known))
    return _measured(case, (0, delivered), _error_of_sum(own, cars), len(known))


def _matched_days(name: str, version: int) -> Callable[[GroupCase], Measured]:
    rule = RULES[name, version]

    def measure(case: GroupCase) -> Measured:
        """Compare the group's net energy with what it took on similar days before."""
        history, members = case.inputs.get("history"), case.members
        if history is None:
            raise NotKnown("no earlier days were looked at")
        if TREATED not in members.roles:
            raise NotKnown("no car of the group took part")
        known = _known(members, members.net_wh)
        today = date.fromisoformat(history["day"])
        try:
            match = match_days(
                rule=rule,
                today=_load(today, history["today"]),
                history={date.fromisoformat(day): _load(date.fromisoformat(day), history["loads"][day])
                         for day in history["loads"]},
                excluded=[date.fromisoformat(day) for day in history.get("excluded", {})],
                holidays=[date.fromisoformat(day) for day in history.get("holidays", ())],
            )  # fmt: skip
        except NotEnoughDays as few:
            raise NotKnown(str(few)) from few
        cars = members.roles.count(TREATED)
        net = _scaled(sum(members.net_wh[number] or 0 for number in known), cars, len(known))
        baseline = round(match.energy_wh)
        workings = {
            "days": [day.isoformat() for day in match.days],
            "factor": float(match.factor),
            "slots_wh": [round(float(slot), 3) for slot in match.slots_wh],
        }
        delivered = _sign(case.kind) * (baseline - net)
        return _measured(case, (baseline, delivered), match.error_wh, len(known), workings)

    return measure


def _load(day: date, load: Mapping[str, Any]) -> DayLoad:
    return DayLoad(day, _slots(load["event_wh"]), _slots(load["before_wh"]))


def _slots(values: Sequence[int | None]) -> tuple[Fraction | None, ...]:
    return tuple(None if value is None else Fraction(value) for value in values)


def _sign(kind: str) -> int:
    """Return 1 where taking less is asked for, -1 where taking more is."""
    return -1 if kind == "absorb" else 1


def _known(members: Members, values: Sequence[int | None]) -> list[int]:
    """Return the numbers of the cars that took part and whose value is known; raises NotKnown where there is none."""
    treated = members.places(TREATED)
    known = [number for number in treated if values[number] is not None]
    if treated and not known:
        raise NotKnown("no car of the group is known")
    return known


def _measured(
    case: GroupCase,
    found: tuple[int, int],
    error_wh: float | None,
    known: int,
    workings: Mapping[str, Any] | None = None,
) -> Measured:
    """Return the result: `found` is the group's baseline and what it delivered, the net energy follows."""
    cars, (baseline_wh, delivered_wh) = case.members.roles.count(TREATED), found
    net_wh = baseline_wh - _sign(case.kind) * delivered_wh
    error = None if error_wh is None or error_wh == float("inf") else round(error_wh, 3)
    return Measured(baseline_wh, net_wh, delivered_wh, error, known, cars - known, workings or {})


def _scaled(total: int, cars: int, known: int) -> int:
    """Return the sum over all cars where `total` is that of the known ones; half to even."""
    return round(Fraction(total * cars, known)) if known else 0


def _error_of_sum(own: Sequence[int], cars: int) -> float | None:
    """Return the standard error of the sum over `cars`, of which `own` are known; None of fewer than two."""
    count = len(own)
    if not cars:
        return 0.0
    if count < 2:
        return None
    total = sum(own)
    variance = Fraction(count * sum(value * value for value in own) - total * total, count * (count - 1))
    return cars * sqrt(variance / count)


GROUP_METHODS: dict[tuple[str, int], GroupMethod] = {
    (method.name, method.version): method
    for method in (
        GroupMethod("sum-of-cars", 1, _sum_of_cars),
        GroupMethod("ten-of-ten", 1, _matched_days("ten-of-ten", 1), needs_history=True),
        GroupMethod("five-of-ten", 1, _matched_days("five-of-ten", 1), needs_history=True),
        GroupMethod("ten-of-ten", 2, _matched_days("ten-of-ten", 2), needs_history=True),
        GroupMethod("five-of-ten", 2, _matched_days("five-of-ten", 2), needs_history=True),
        GroupMethod("randomised-control-group", 1, _against_control),
        GroupMethod("metered-output", 1, _metered_output, needs_meters=True),
    )
}
