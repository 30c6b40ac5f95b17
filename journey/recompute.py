"""Computes an event's cents again, from the readings that the car served and the program's rule alone.

Written from docs/settlement.md and sharing no line with the platform, so that agreement means something.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

CENTS_PER_DOLLAR = 100


@dataclass(frozen=True)
class Served:
    """One reading as the maker's cloud served it; meters are None for a car without one."""

    observed_at: datetime
    soc_percent: Fraction
    imported_wh: Fraction | None
    exported_wh: Fraction | None


@dataclass(frozen=True)
class Rule:
    """What the program's terms and the frozen facts of the stay say."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    dollars_per_kwh: Fraction
    plugged_in_at: datetime
    soc_at_plug_in_percent: Fraction
    limit_percent: Fraction
    capacity_wh: int
    charger_w: int
    efficiency: Fraction


def hours(duration: timedelta) -> Fraction:
    """Return a duration in hours, exact to the microsecond."""
    return Fraction(round(duration.total_seconds() * 1_000_000), 3_600_000_000)


def between(readings: Sequence[tuple[datetime, Fraction]], at: datetime) -> Fraction:
    """Return the straight-line value at `at` between the readings before and after it."""
    before = [item for item in readings if item[0] <= at][-1]
    after = next(item for item in readings if item[0] >= at)
    if before[0] == after[0]:
        return before[1]
    share = hours(at - before[0]) / hours(after[0] - before[0])
    return before[1] + share * (after[1] - before[1])


def net_wh(readings: Sequence[Served], rule: Rule) -> Fraction:
    """Return what the car drew from the grid in the event: by its meter, else by its state of charge."""
    readings = sorted(readings, key=lambda reading: reading.observed_at)
    if any(reading.imported_wh is not None for reading in readings):
        flow = Fraction(0)
        for sign, name in ((1, "imported_wh"), (-1, "exported_wh")):
            line = [(one.observed_at, getattr(one, name)) for one in readings if getattr(one, name) is not None]
            flow += sign * (between(line, rule.ends_at) - between(line, rule.starts_at))
        return flow
    line = [(one.observed_at, one.soc_percent) for one in readings]
    gained = between(line, rule.ends_at) - between(line, rule.starts_at)
    return gained / 100 * rule.capacity_wh / rule.efficiency


def baseline_wh(rule: Rule) -> Fraction:
    """Return what the car would have drawn in the event, charging from plug-in until its limit."""
    missing = max(Fraction(0), rule.limit_percent - rule.soc_at_plug_in_percent)
    need_hours = missing / 100 * rule.capacity_wh / rule.efficiency / rule.charger_w
    begin = max(Fraction(0), hours(rule.starts_at - rule.plugged_in_at))
    end = min(need_hours, hours(rule.ends_at - rule.plugged_in_at))
    return max(Fraction(0), end - begin) * rule.charger_w


def delivered_wh(readings: Sequence[Served], rule: Rule) -> int:
    """Return what the car delivered in the event, signed: whole Wh first."""
    base, net = round(baseline_wh(rule)), round(net_wh(readings, rule))
    return net - base if rule.kind == "absorb" else base - net


def cents(readings: Sequence[Served], rule: Rule) -> int:
    """Return the owner's reward for the event, in cents, where the car is settled alone."""
    return priced(delivered_wh(readings, rule), rule)


@dataclass(frozen=True)
class Member:
    """One car of the event's group, by its number alone; `delivered_wh` None where nobody knows."""

    takes_part: bool
    weight: int
    delivered_wh: int | None


def group_cents(members: Sequence[Member], rule: Rule) -> list[int]:
    """Return each member's cents: the signed deliveries added, priced once, divided by weight to the last cent."""
    parts = [one for one in members if one.takes_part]
    known = [one.delivered_wh for one in parts if one.delivered_wh is not None]
    whole = priced(round(Fraction(sum(known) * len(parts), len(known))), rule) if known else 0
    weights = [max(0, one.weight) if one.takes_part else 0 for one in members]
    if not any(weights):
        weights = [int(one.takes_part) for one in members]
    total = sum(weights)
    shares = [whole * weight // total for weight in weights]
    largest = sorted(range(len(members)), key=lambda place: (-(whole * weights[place] % total), place))
    for place in largest[: whole - sum(shares)]:
        shares[place] += 1
    return shares


def priced(energy_wh: int, rule: Rule) -> int:
    """Return what an energy is worth in cents, never below nothing, rounded once, half to even."""
    dollars = Fraction(max(0, energy_wh), 1000) * rule.dollars_per_kwh
    exact = Decimal((dollars * CENTS_PER_DOLLAR).numerator) / Decimal((dollars * CENTS_PER_DOLLAR).denominator)
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def served(record: dict[str, Any]) -> Served:
    """Return one line of the sandbox's log of served readings, as it went over the wire."""
    imported, exported = record.get("importedWh"), record.get("exportedWh")
    observed_at = datetime.fromisoformat(record["observedAt"])
    if imported is None:
        observed_at = observed_at.replace(microsecond=0)  # Ford's timestamps have whole seconds
    return Served(
        observed_at=observed_at,
        soc_percent=Fraction(str(record["socPercent"])),
        imported_wh=None if imported is None else Fraction(imported),
        exported_wh=None if exported is None else Fraction(exported),
    )


def within(records: Sequence[dict[str, Any]], rule: Rule) -> list[dict[str, Any]]:
    """Return the served readings that were made inside the event, oldest first."""
    inside = [one for one in records if rule.starts_at <= datetime.fromisoformat(one["observedAt"]) < rule.ends_at]
    return sorted(inside, key=lambda one: str(one["observedAt"]))


def meter_gap(records: Sequence[dict[str, Any]], rule: Rule) -> tuple[Fraction, Fraction]:
    """Return the net energy inside the event by the readings, and by the car's own true meter, in Wh.

    Both are taken between the first and the last reading inside the event.
    """
    inside = within(records, rule)
    if any(one["importedWh"] is not None for one in inside):
        inside = [one for one in inside if one["importedWh"] is not None]
    first, last = inside[0], inside[-1]
    true = sum(
        sign * (Fraction(str(last[name])) - Fraction(str(first[name])))
        for sign, name in ((1, "trueImportedWh"), (-1, "trueExportedWh"))
    )
    if first["importedWh"] is not None:
        read = Fraction(last["importedWh"] - first["importedWh"] - last["exportedWh"] + first["exportedWh"])
    else:
        gained = Fraction(str(last["socPercent"])) - Fraction(str(first["socPercent"]))
        read = gained / 100 * rule.capacity_wh / rule.efficiency
    return read, Fraction(true)


def left_alone(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return the stay as the owner could not change it any more once told: by version 2 as known before notice."""
    stay: dict[str, Any] = evidence["stays"][0]
    frozen: dict[str, Any] | None = evidence.get("frozen")
    if evidence["method"]["version"] == 1 or not frozen:
        return stay
    if datetime.fromisoformat(stay["plugged_in_at"]) <= datetime.fromisoformat(frozen["noticed_at"]) and frozen["stay"]:
        return dict(frozen["stay"])
    return stay if frozen["limit_percent"] is None else {**stay, "limit_percent": frozen["limit_percent"]}


def rule_of(evidence: dict[str, Any]) -> Rule:
    """Return the program's rule and the frozen facts of the stay, as the owner can read them."""
    event, car, stay = evidence["event"], evidence["car"], left_alone(evidence)
    return Rule(
        kind=event["kind"],
        starts_at=datetime.fromisoformat(event["starts_at"]),
        ends_at=datetime.fromisoformat(event["ends_at"]),
        dollars_per_kwh=Fraction(evidence["reward"]["rate_micros_per_kwh"], 1_000_000),
        plugged_in_at=datetime.fromisoformat(stay["plugged_in_at"]),
        soc_at_plug_in_percent=Fraction(stay["soc_percent"]),
        limit_percent=Fraction(stay["limit_percent"]),
        capacity_wh=car["capacity_wh"],
        charger_w=car["power_w"],
        efficiency=Fraction(car["charge_efficiency"]),
    )
