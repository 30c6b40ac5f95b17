#!/usr/bin/env python3
"""Checks a proof bundle of ChargeScape: recomputes every cent and walks the ledger's hash chain.

    python3 proof/verify.py proof.json [lines.csv]

Needs Python 3.11 and nothing else: no network, no database, no line of the platform. Written from docs/settlement.md
and docs/proof.md. Prints what it checked; every finding is one line, and the exit code is 1 where there is any.
"""

import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

SCHEMA = 1
METHOD, VERSIONS = "uncontrolled-at-plug-in", (1, 2)
MAX_EDGE_GAP = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
MINOR_PER_MAJOR = 100
MICROS_PER_MAJOR = 1_000_000
POSTED = {"single", "post", "reversal"}

Json = dict[str, Any]
Point = tuple[datetime, Fraction]
Window = tuple[datetime, datetime]


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def value_at(points: Sequence[Point], instant: datetime) -> Fraction | None:
    """Return the value at `instant` on the straight line between its neighbours; None where nobody can say."""
    before = [point for point in points if point[0] <= instant]
    after = [point for point in points if point[0] >= instant]
    if not before or not after:
        return None
    (from_at, low), (to_at, high) = before[-1], after[0]
    if low == high:
        return low
    if to_at - from_at > MAX_EDGE_GAP:
        return None
    return low + (high - low) * Fraction((instant - from_at) // MICROSECOND, (to_at - from_at) // MICROSECOND)


def edges(readings: Sequence[Json], name: str, window: Window) -> tuple[Fraction, Fraction] | None:
    """Return a value at both edges of a window, or None."""
    points = [(at(one["observed_at"]), Fraction(str(one[name]))) for one in readings if one[name] is not None]
    start, end = value_at(points, window[0]), value_at(points, window[1])
    return None if start is None or end is None else (start, end)


def net_wh(readings: Sequence[Json], window: Window, car: Json) -> Fraction | None:
    """Return the net energy of one window: by the meters, else by the state of charge, else None."""
    came, left = edges(readings, "imported_wh", window), edges(readings, "exported_wh", window)
    if came and left and came[1] >= came[0] and left[1] >= left[0]:
        return (came[1] - came[0]) - (left[1] - left[0])
    soc = edges(readings, "soc_percent", window)
    if soc is None:
        return None
    gained_wh: Fraction = max(Fraction(0), soc[1] - soc[0]) / 100 * Fraction(car["capacity_wh"])
    efficiency: Fraction = Fraction(car["charge_efficiency"])
    return gained_wh / efficiency


def clip(window: Window, other: Window) -> Window | None:
    """Return what two windows share, or None."""
    starts_at, ends_at = max(window[0], other[0]), min(window[1], other[1])
    return (starts_at, ends_at) if starts_at < ends_at else None


def baseline_wh(stay: Json, event: Window, car: Json) -> Fraction:
    """Return what a car left alone would have drawn in the event during one stay."""
    starts_at = at(stay["plugged_in_at"])
    missing = max(Fraction(0), Fraction(stay["limit_percent"]) - Fraction(stay["soc_percent"]))
    need_wh = missing / 100 * int(car["capacity_wh"]) / Fraction(car["charge_efficiency"])
    ends_at = starts_at + timedelta(microseconds=round(need_wh / car["power_w"] * 3_600_000_000))
    if stay["unplugged_at"]:
        ends_at = min(ends_at, at(stay["unplugged_at"]))
    shared = clip((starts_at, ends_at), event)
    return (
        Fraction(0)
        if shared is None
        else car["power_w"] * Fraction((shared[1] - shared[0]) // MICROSECOND, 3_600_000_000)
    )


def left_alone(stay: Json, evidence: Json) -> Json:
    """Return a stay as it counts for the baseline: by version 2 with what was known before the owner was told."""
    frozen = evidence.get("frozen")
    if evidence["method"]["version"] == 1 or not frozen:
        return stay
    if at(stay["plugged_in_at"]) <= at(frozen["noticed_at"]) and frozen["stay"]:
        if stay["unplugged_at"] and at(stay["unplugged_at"]) <= at(frozen["stay"]["plugged_in_at"]):
            return stay
        return {**frozen["stay"], "unplugged_at": stay["unplugged_at"]}
    return stay if frozen["limit_percent"] is None else {**stay, "limit_percent": frozen["limit_percent"]}


def recompute(evidence: Json) -> Json:
    """Return what a settlement's inputs give; its stated result is not looked at."""
    event, car = (at(evidence["event"]["starts_at"]), at(evidence["event"]["ends_at"])), evidence["car"]
    readings = sorted(evidence["readings"], key=lambda one: at(one["observed_at"]))
    stays = [left_alone(stay, evidence) for stay in evidence["stays"]]
    base = round(sum((baseline_wh(stay, event, car) for stay in stays), Fraction(0)))
    windows: list[Window | None] = []
    for stay in evidence["stays"]:
        until = at(stay["unplugged_at"]) if stay["unplugged_at"] else event[1]
        windows.append(clip((at(stay["plugged_in_at"]), until), event))
    flows = [net_wh(readings, window, car) for window in windows if window is not None]
    if not any(at(one["observed_at"]) >= event[1] for one in readings):
        flows.append(None)
    known = [flow for flow in flows if flow is not None]
    net = round(sum(known, Fraction(0))) if len(known) == len(flows) else None
    delivered = None if net is None else net - base if evidence["event"]["kind"] == "absorb" else base - net
    own = {"baseline_wh": base, "net_wh": net, "delivered_wh": delivered}
    if evidence.get("settles") == "group":
        return own  # its credit is a share of the group's
    credited = max(0, delivered or 0)
    rate = evidence["reward"]["rate_micros_per_kwh"]
    return {**own, "credited_wh": credited, "amount_minor": price(credited, rate)}


def price(energy_wh: int, rate: int) -> int:
    """Return what an energy is worth in minor units, half to even."""
    return round(Fraction(energy_wh * rate * MINOR_PER_MAJOR, 1000 * MICROS_PER_MAJOR))


def row_hash(row: Json) -> str:
    """Return the SHA-256 over a transfer's columns."""
    columns = [
        row[name] for name in ("public_id", "key", "kind", "debit", "credit", "amount_minor", "currency", "label")
    ]
    columns += ["" if row["of"] is None else row["of"], at(row["created_at"]).isoformat(timespec="microseconds")]
    return hashlib.sha256("\x1f".join(map(str, columns)).encode()).hexdigest()


def is_within(instant: str | None, bundle: Json) -> bool:
    """Return whether it lies in the bundle's period; a bundle of all time has none."""
    period = bundle.get("period")
    if instant is None or period is None:
        return instant is not None
    return at(period["starts_at"]) <= at(instant) < at(period["ends_at"])


def within(bundle: Json, prefix: str = "") -> Iterator[Json]:
    """Yield the transfers of the bundle's period; earlier ones are there because these end them."""
    for row in bundle["transfers"]:
        if row["key"].startswith(prefix) and is_within(row["created_at"], bundle):
            yield row


def check_settlements(bundle: Json) -> Iterator[str]:
    """Yield what is wrong with settlements: their sums, and what of them reached the ledger."""
    posted = {row["key"]: row for row in within(bundle, "settlement:")}
    by_part: dict[str, list[Json]] = defaultdict(list)
    for one in bundle["settlements"]:
        by_part[one["participation"]].append(one)
    for part in by_part.values():
        paid = 0
        for one in sorted(part, key=lambda one: one["revision"]):
            yield from check_settlement(one)
            row = posted.pop(f"settlement:{one['id']}", None)
            due = max(0, one["amount_minor"] - paid) if is_within(one["posted_at"], bundle) else 0
            got = row["amount_minor"] if row else 0
            if got != due:
                yield f"settlement {one['id']}: {due} is due, the ledger has {got}"
            if row and (row["currency"] != one["currency"] or row["credit"] not in bundle["accounts"]):
                yield f"settlement {one['id']}: posted to another account or currency"
            paid = max(paid, one["amount_minor"]) if one["posted_at"] else paid
    for key in posted:
        yield f"transfer {key}: its settlement is not in the bundle"


def check_settlement(one: Json) -> Iterator[str]:
    """Yield what is wrong with one settlement's sum."""
    evidence = one["evidence"]
    method = evidence["method"]
    if evidence["schema"] != SCHEMA or method["name"] != METHOD or method["version"] not in VERSIONS:
        yield f"settlement {one['id']}: computed by a method that this script does not know"
        return
    for name, value in recompute(evidence).items():
        if not value == one[name] == evidence["result"][name]:
            yield f"settlement {one['id']}: {name} is {value}, stated are {one[name]} and {evidence['result'][name]}"
    if evidence["reward"]["currency"] != one["currency"]:
        yield f"settlement {one['id']}: its evidence is in another currency"


class NotKnown(Exception):
    """A method cannot tell what a group delivered."""


def settle_group(evidence: Json) -> Json:
    """Return what a group's inputs give; its stated result is not looked at."""
    members, wanted = evidence["members"], [evidence["method"], evidence["fallback"]]
    result: Json = {"baseline_wh": None, "net_wh": None, "delivered_wh": None, "credited_wh": 0, "amount_minor": 0}
    for method in filter(None, wanted):
        try:
            baseline, delivered = MEASURES[method["name"], method["version"]](evidence, members)
        except NotKnown:
            continue
        net = baseline - sign_of(evidence) * delivered
        owed = price(delivered, evidence["reward"]["rate_micros_per_kwh"])
        amount = owed if evidence["has_penalty"] else max(0, owed)
        result |= {"baseline_wh": baseline, "net_wh": net, "delivered_wh": delivered}
        return result | {"credited_wh": max(0, delivered), "amount_minor": amount}
    return result


def sign_of(evidence: Json) -> int:
    """Return 1 where taking less is asked for, -1 where taking more is."""
    return -1 if evidence["event"]["kind"] == "absorb" else 1


def treated(members: Json, values: Sequence[int | None], role: str = "t") -> tuple[list[int], int]:
    """Return the numbers of the members in a role whose value is known, and how many are in it at all."""
    every = [number for number, one in enumerate(members["roles"]) if one == role]
    known = [number for number in every if values[number] is not None]
    if role == "t" and every and not known:
        raise NotKnown
    return known, len(every)


def scaled(total: int, cars: int, known: int) -> int:
    """Return the sum over all cars where `total` is that of the known ones."""
    return round(Fraction(total * cars, known)) if known else 0


def sum_of_cars(evidence: Json, members: Json) -> tuple[int, int]:
    """Return baseline and delivery as the sum of the cars' own, the mean standing in for what is not known."""
    known, cars = treated(members, members["net_wh"])
    base = sum(members["baseline_wh"][number] for number in known)
    net = sum(members["net_wh"][number] for number in known)
    delivered = scaled(sign_of(evidence) * (base - net), cars, len(known))
    return scaled(base, cars, len(known)), delivered


def metered_output(_evidence: Json, members: Json) -> tuple[int, int]:
    """Return no baseline, and what the meters say."""
    if "metered_wh" not in members:
        raise NotKnown
    known, cars = treated(members, members["metered_wh"])
    return 0, scaled(sum(members["metered_wh"][number] for number in known), cars, len(known))


def against_control(evidence: Json, members: Json) -> tuple[int, int]:
    """Return what the control group's mean says of the cars that took part."""
    nets = members["net_wh"]
    known, cars = treated(members, nets)
    control, _all = treated(members, nets, "c")
    if min(len(known), len(control)) < 2:
        raise NotKnown
    means = [Fraction(sum(nets[number] for number in of), len(of)) for of in (control, known)]
    return round(means[0] * cars), round(sign_of(evidence) * (means[0] - means[1]) * cars)


def matched_days(chosen: int, fewest: int, cap: Fraction, *, knows_holidays: bool) -> Any:
    """Return the measure that compares with the load of similar days before."""

    def measure(evidence: Json, members: Json) -> tuple[int, int]:
        history = evidence["inputs"].get("history")
        if history is None or "t" not in members["roles"]:
            raise NotKnown
        today = date.fromisoformat(history["day"])
        holidays = set(history.get("holidays", ())) if knows_holidays else set()

        def works(day: date) -> bool:
            return day.weekday() < 5 and day.isoformat() not in holidays

        pool = []
        for text in sorted(history["loads"], reverse=True):
            load, day = history["loads"][text], date.fromisoformat(text)
            is_whole = None not in load["event_wh"] and None not in load["before_wh"]
            is_near = today - timedelta(days=45) <= day < today and text not in history.get("excluded", {})
            if is_near and is_whole and works(day) == works(today):
                pool.append((sum(load["event_wh"]), text))
        pool = pool[:10]
        if len(pool) < fewest:
            raise NotKnown
        days = [history["loads"][text] for _load, text in sorted(pool, reverse=True)[:chosen]]
        plain = Fraction(sum(sum(day["event_wh"]) for day in days), len(days))
        usual, now = Fraction(sum(sum(day["before_wh"]) for day in days), len(days)), history["today"]["before_wh"]
        factor = Fraction(1)
        if None not in now and usual > 0:
            factor = min(max(Fraction(sum(now)) / usual, 1 - cap), 1 + cap)
        known, cars = treated(members, members["net_wh"])
        baseline = round(plain * factor)
        net = scaled(sum(members["net_wh"][number] for number in known), cars, len(known))
        return baseline, sign_of(evidence) * (baseline - net)

    return measure


MEASURES: dict[tuple[str, int], Any] = {
    ("sum-of-cars", 1): sum_of_cars,
    ("metered-output", 1): metered_output,
    ("randomised-control-group", 1): against_control,
    ("ten-of-ten", 1): matched_days(10, 4, Fraction(1, 5), knows_holidays=False),
    ("five-of-ten", 1): matched_days(5, 5, Fraction(2, 5), knows_holidays=False),
    ("ten-of-ten", 2): matched_days(10, 4, Fraction(1, 5), knows_holidays=True),
    ("five-of-ten", 2): matched_days(5, 5, Fraction(2, 5), knows_holidays=True),
}


def member_weights(evidence: Json) -> list[int]:
    """Return each member's weight: alike or by what was committed; a control car's is the mean of the others."""
    members = evidence["members"]
    own = [0] * len(members["roles"])
    there = [number for number, role in enumerate(members["roles"]) if role == "t"]
    for number in there:
        own[number] = 1 if evidence["rule"] == "equal" else max(0, members["weights_wh"][number])
    if not any(own):
        for number in there:
            own[number] = 1
    controls = [number for number, role in enumerate(members["roles"]) if role == "c"]
    if controls:
        whole = sum(own)
        own = [weight * len(there) for weight in own]
        for number in controls:
            own[number] = whole
    return own


def divided(whole: int, weights: Sequence[int]) -> list[int]:
    """Return a whole number by weight: rounded down, what is left to the largest remainders, then the lower numbers."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    shares = [whole * weight // total for weight in weights]
    ranked = sorted(range(len(weights)), key=lambda number: (-(whole * weights[number] % total), number))
    for number in ranked[: whole - sum(shares)]:
        shares[number] += 1
    return shares


def check_groups(bundle: Json) -> Iterator[str]:
    """Yield what is wrong with the groups' results and with the owner's shares of them."""
    groups = {one["id"]: one for one in bundle.get("groups", [])}
    shares: dict[str, tuple[list[int], list[int], list[int]]] = {}
    for key, one in groups.items():
        evidence, stated = one["evidence"], one["evidence"]["result"]
        if evidence["schema"] != SCHEMA or (one["method"]["name"], one["method"]["version"]) not in MEASURES:
            yield f"group {key}: computed by a method that this script does not know"
            continue
        found = settle_group(evidence) if "roles" in evidence["members"] else {"amount_minor": stated["amount_minor"]}
        for name, value in found.items():
            if not value == stated[name] == one.get(name, value):
                yield f"group {key}: {name} is {value}, stated is {stated[name]}"
        if "roles" in evidence["members"]:
            by = member_weights(evidence)
            shares[key] = (divided(found["credited_wh"], by), divided(max(0, found["amount_minor"]), by), by)
    for one in bundle["settlements"]:
        if one.get("group"):
            yield from check_share(one, groups, shares)


def check_share(one: Json, groups: Json, shares: dict[str, tuple[list[int], list[int], list[int]]]) -> Iterator[str]:
    """Yield what is wrong with one settlement's share of its group's result."""
    group, share = groups.get(one["group"]), one["share"]
    if group is None:
        yield f"settlement {one['id']}: its group is not in the bundle"
        return
    number, evidence = share["member"], group["evidence"]
    for name, whole in (("credited_wh", evidence["result"]["credited_wh"]),
                        ("amount_minor", max(0, evidence["result"]["amount_minor"]))):  # fmt: skip
        told = share[name]
        own = 0
        if share["weights"]:
            own = told["whole"] * share["weight"] // share["weights"] + (told["place"] < told["left"])
        if own != one[name] or told["whole"] != whole:
            yield f"settlement {one['id']}: {name} is {own} of {whole}, stated are {one[name]} of {told['whole']}"
    if one["group"] not in shares:
        return
    energy, money, by = shares[one["group"]]
    if (energy[number], money[number]) != (one["credited_wh"], one["amount_minor"]):
        yield f"settlement {one['id']}: the group's division gives another share"
    if (by[number], sum(by)) != (share["weight"], share["weights"]):
        yield f"settlement {one['id']}: the group gives another weight"
    members = evidence["members"]
    if (members["baseline_wh"][number], members["net_wh"][number]) != (one["baseline_wh"], one["net_wh"]):
        yield f"settlement {one['id']}: the group counted something else of the car"


def pay_minor(calculation: Json) -> int:
    """Return what a form of pay gives by its terms and inputs, as docs/earnings.md states it."""
    terms, inputs, form = calculation["terms"], calculation["inputs"], calculation["terms"]["form"]
    if form == "enrollment_bonus":
        amount = terms["amount_minor"] * (inputs["days_enrolled"] >= terms.get("after_days", 0))
    elif form == "monthly":
        joins = 100 * inputs["joined"] >= terms.get("min_joined_percent", 0) * inputs["events"]
        stays = inputs["opted_out"] <= terms.get("max_opt_outs", inputs["opted_out"])
        amount = terms["amount_minor"] * (inputs["is_whole_month"] and joins and stays)
    elif form == "per_event":
        amount = terms["amount_minor"] * (inputs["credited_wh"] >= terms.get("min_credited_wh", 1))
    elif form == "seasonal_capacity":
        per_kw, seconds = terms["minor_per_kw"], inputs["event_seconds"]
        amount = round(Fraction(inputs["credited_wh"] * 3600 * per_kw, seconds * 1000)) if seconds else 0
    elif form == "season_bonus":
        joins = 100 * inputs["joined"] >= terms.get("min_joined_percent", 0) * inputs["events"]
        stays = inputs["opted_out"] <= terms.get("max_opt_outs", inputs["opted_out"])
        amount = terms["amount_minor"] * (inputs["is_whole_season"] and joins and stays)
    elif form == "charging_rate":
        amount = round(Fraction(inputs["window_wh"] * terms["micros_per_kwh"], 1000 * 10_000))
    elif form == "charging_share":
        inside, whole = inputs["window_wh"], inputs["charged_wh"]
        amount = terms["amount_minor"] * (whole > 0 and 100 * inside >= terms["min_percent"] * whole)
    elif form == "pool":
        floor = terms["pool_minor"] * inputs["own_wh"] // inputs["total_wh"]
        amount = floor + (inputs["place"] < inputs["cents_left"])
    else:
        raise ValueError(f"form of pay {form}")
    return int(min(amount, terms.get("most_minor", amount)))


def check_earnings(bundle: Json) -> Iterator[str]:
    """Yield what is wrong with pay besides the rate per kWh: its sum, and what of it reached the ledger."""
    posted = {row["key"]: row for row in within(bundle, "earning:")}
    settled = {one["id"]: one["credited_wh"] for one in bundle["settlements"]}
    for one in bundle.get("earnings", []):
        stated, due = one["calculation"]["result"]["amount_minor"], pay_minor(one["calculation"])
        if not due == stated == one["amount_minor"]:
            yield f"earning {one['id']}: {due} by its terms, stated are {one['amount_minor']} and {stated}"
        row = posted.pop(f"earning:{one['id']}", None)
        if (row["amount_minor"] if row else 0) != one["amount_minor"]:
            yield f"earning {one['id']}: {one['amount_minor']} is due, the ledger has {row and row['amount_minor']}"
        if row and (row["currency"] != one["currency"] or row["credit"] not in bundle["accounts"]):
            yield f"earning {one['id']}: posted to another account or currency"
        inputs = one["calculation"]["inputs"]
        if one["form"] == "per_event" and settled.get(inputs["settlement"]) != inputs["credited_wh"]:
            yield f"earning {one['id']}: its settlement says something else"
    for key in posted:
        yield f"transfer {key}: its earning is not in the bundle"


def check_totals(bundle: Json) -> Iterator[str]:
    """Yield where balances are not the sum of the transfers."""
    sums = {account: stated.get("opening_minor", 0) for account, stated in bundle["accounts"].items()}
    pending = {row["row"]: row for row in bundle["transfers"] if row["kind"] == "pending"}
    for row in within(bundle):
        for account, sign in ((row["credit"], 1), (row["debit"], -1)):
            if account in bundle["accounts"] and row["kind"] in POSTED:
                sums[account] += sign * row["amount_minor"]
        if row["kind"] in {"post", "void"} and row["of"] not in pending:
            yield f"transfer {row['key']}: what it ends is not in the bundle"
    for account, stated in bundle["accounts"].items():
        if sums[account] != stated["posted_minor"]:
            yield f"account {account}: {sums[account]} by its transfers, {stated['posted_minor']} stated"


def link_hash(previous: str, row: str) -> str:
    """Return the hash of the link after `previous`."""
    return hashlib.sha256(f"{previous}\x1f{row}".encode()).hexdigest()


def check_chain(bundle: Json) -> Iterator[str]:
    """Yield where the chain breaks, and transfers that it does not seal."""
    chain = bundle["chain"]
    sealed: dict[str, int] = {}
    ends_with, is_whole = str(chain["starts_after"]), chain.get("is_whole", bool(chain["rows"]))
    for number, row in enumerate(chain["rows"]):
        ends_with = link_hash(ends_with, row)
        sealed[row] = number
    for number, (previous, row, stated) in enumerate(chain.get("links", [])):
        if link_hash(previous, row) != stated:
            yield f"link {number + 1} of the chain is not as it was laid"
        sealed[row], ends_with = number, ends_with if is_whole else stated
    if ends_with != chain["ends_with"]:
        yield "the chain does not end with the stated hash"
    places = []
    for row in bundle["transfers"]:
        if row["is_sealed"] and row_hash(row) not in sealed:
            yield f"transfer {row['key']}: not as it was sealed"
        places.append(sealed.get(row_hash(row), len(sealed)))
    if len({row["row"] for row in bundle["transfers"]}) != len(bundle["transfers"]):
        yield "a transfer is in the bundle twice"
    if chain["own_rows"] != sum(place < len(sealed) for place in places):
        yield f"{chain['own_rows']} sealed transfers are stated, {len(bundle['transfers'])} are in the bundle"


def check_lines(bundle: Json, path: Path) -> Iterator[str]:
    """Yield where the CSV says something else than the JSON."""
    with path.open(newline="", encoding="utf-8") as sheet:
        rows = list(csv.DictReader(sheet))
    expected = {row["public_id"]: row for row in bundle["transfers"]}
    if sorted(row["id"] for row in rows) != sorted(expected):
        yield "the CSV has other lines than the JSON"
        return
    for row in rows:
        known = expected[row["id"]]
        for name in ("key", "kind", "amount_minor", "currency", "created_at", "label"):
            if row[name].removeprefix("'") != str(known[name]).removeprefix("'"):
                yield f"CSV line {row['id']}: {name} is {row[name]}, the JSON has {known[name]}"


def main(arguments: list[str]) -> int:
    """Check the files named; return the exit code."""
    if not arguments:
        say(__doc__ or "")
        return 2
    try:
        bundle = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        findings = [*check_settlements(bundle), *check_groups(bundle), *check_earnings(bundle)]
        findings += [*check_totals(bundle), *check_chain(bundle)]
        for path in arguments[1:]:
            findings += check_lines(bundle, Path(path))
        counts = (len(bundle["settlements"]), len(bundle.get("earnings", [])), len(bundle["transfers"]))
        chain = bundle["chain"]
        links, head = len(chain["rows"] or chain.get("links", [])), chain["ends_with"]
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        say(f"this is not a whole proof bundle: {type(error).__name__} {error}")
        return 1
    for finding in findings:
        say(finding)
    if findings:
        return 1
    say("{} settlements and {} other earnings recomputed to the cent, {} transfers: all as stated.".format(*counts))
    gap = (
        ""
        if len(chain["rows"]) == chain["length"]
        else f" alone: {chain['length']} lie between, more than a bundle holds"
    )
    say(f"{links} links of the chain{gap}. It ends with {head}")
    return 0


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
