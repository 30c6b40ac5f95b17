"""A plan's arrays as compact bytes: lossless, versioned, the same on every machine; no Django.

A series is kept in millionths as 32-bit integers, as runs where that is shorter; where millionths would lose anything,
as 64-bit floats. Prices that step by the hour, a car that charges or does not, a flat export rate: all take few runs.

Version 2 also keeps what was asked beside the least cost (`care`), and what that cost, so that a plan can be computed
again; version 3 also how early other owners left, where that was asked. Plans of older versions are read as they were.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grid.planner.problem import Floats

VERSION = 3
READABLE = (1, 2, 3)
MILLION = 1_000_000
FLOATS, MILLIONTHS, RUNS = 0, 1, 2
BYTES_EACH = (8, 4, 6)  # of a value, of a run
LARGEST = 2**31 - 1
REASONS = ("unplugged", "discharge", "hold", "idle", "minimum", "deadline", "absorb", "clean", "cheap")
STATUSES = ("optimal", "relaxed")
SCALARS = (
    "slot_minutes", "carbon_price", "capacity_kwh", "soc_percent", "max_charge_kw", "max_discharge_kw",
    "charge_efficiency", "discharge_efficiency", "wear_per_kwh", "minimum_percent", "reserve_percent", "max_percent",
    "terminal_value_per_kwh",
)  # fmt: skip
PROBLEM_SERIES = ("import_price", "export_price", "carbon_kg_per_kwh", "adder", "plugged", "trip_kwh")
OUTCOMES = ("cost", "lower_bound", "cash", "carbon_kg", "cost_of_charging_at_once", "shortfall_kwh")

_FIRST = np.zeros(1, dtype=np.int64)
_HEAD = struct.Struct("<BHBBBB")  # version, slots, status, targets, other series, length of the id
# Whether there is care, its price, departure slot, switches, least power, rank (phase, first slot) and departures seen,
# then what it came to: added by the hedge, added by the shape, switches left.
_CARE = struct.Struct("<BdHHdBBHddH")
IN_TIME = 255  # the phase of a car that takes slots of one price in order of time
_SCALARS = struct.Struct(f"<{len(SCALARS) + len(OUTCOMES)}d")
_TARGET = struct.Struct("<Hd")
_SERIES = struct.Struct("<BH")  # kind, number of values or runs


def pack_series(values: Floats | Sequence[float]) -> bytes:
    """Return a series as bytes, from which `unpack_series` makes the same numbers."""
    series = np.asarray(values, dtype=np.float64)
    whole = np.rint(series * MILLION)
    if not ((np.abs(whole) <= LARGEST).all() and (whole / MILLION == series).all()):
        return _SERIES.pack(FLOATS, len(series)) + series.astype("<f8").tobytes()
    starts = np.concatenate((_FIRST[: len(whole)], np.flatnonzero(whole[1:] != whole[:-1]) + 1))
    if 6 * len(starts) < 4 * len(whole):
        lengths = np.diff(np.append(starts, len(whole))).astype("<u2")
        return _SERIES.pack(RUNS, len(starts)) + lengths.tobytes() + whole[starts].astype("<i4").tobytes()
    return _SERIES.pack(MILLIONTHS, len(whole)) + whole.astype("<i4").tobytes()


def unpack_series(packed: bytes, at: int) -> tuple[Floats, int]:
    """Return the series that starts at byte `at`, and where the next one does."""
    kind, count = _SERIES.unpack_from(packed, at)
    at += _SERIES.size
    if kind == FLOATS:
        return np.frombuffer(packed, "<f8", count, at).astype(np.float64), at + 8 * count
    if kind == MILLIONTHS:
        return np.frombuffer(packed, "<i4", count, at) / MILLION, at + 4 * count
    lengths = np.frombuffer(packed, "<u2", count, at)
    return np.repeat(np.frombuffer(packed, "<i4", count, at + 2 * count) / MILLION, lengths), at + 6 * count


def pack_plan(
    *,
    problem: Mapping[str, Any],
    solution: Mapping[str, Any],
    reasons: bytes,
    series: Sequence[bytes],
    others: Mapping[str, bytes],
) -> bytes:
    """Return a plan as bytes.

    Args:
        problem: its scalars, id and targets, as docs/planner-format.md fixes them, and its `care`, if any.
        solution: its status, outcomes, power_kw and soc_percent.
        reasons: one place in REASONS a slot.
        series: the problem's PROBLEM_SERIES, packed: cars of one tariff share theirs.
        others: further series to keep, by name, packed.
    """
    numbers = [float(problem[key]) for key in SCALARS] + [float(solution[key]) for key in OUTCOMES]
    return assemble(
        name=problem["id"],
        slots=len(reasons),
        status=STATUSES.index(solution["status"]),
        numbers=_SCALARS.pack(*numbers),
        targets=[(target["slot"], target["soc_percent"]) for target in problem["targets"]],
        care=pack_care(problem.get("care"), solution),
        series=[*series, *(pack_series(values) for values in (solution["power_kw"], solution["soc_percent"]))],
        reasons=pack_series(list(reasons)),
        others=others,
    )


def assemble(
    *,
    name: str,
    slots: int,
    status: int,
    numbers: bytes,
    targets: Sequence[tuple[int, float]],
    care: bytes,
    series: Sequence[bytes],
    reasons: bytes,
    others: Mapping[str, bytes],
) -> bytes:
    """Return a plan as bytes, from parts that are packed already; `numbers` are SCALARS and OUTCOMES as doubles."""
    coded = name.encode()
    return b"".join(
        (
            _HEAD.pack(VERSION, slots, status, len(targets), len(others), len(coded)),
            coded,
            numbers,
            *[_TARGET.pack(*target) for target in targets],
            care,
            *series,
            reasons,
            *[bytes((len(key),)) + key.encode() + values for key, values in others.items()],
        )
    )


def pack_care(care: Mapping[str, Any] | None, solution: Mapping[str, Any]) -> bytes:
    """Return what was asked beside the least cost, and what that came to, as bytes."""
    if care is None:
        return _CARE.pack(*([0] * 11))
    early, usual = care["minutes_early"], care.get("usual_early", ())
    phase, first = care["rank"] or (IN_TIME, 0)
    return _CARE.pack(
        1, care["shortfall_price"], care["departure_slot"], care["switches"], care["least_kw"], phase, first,
        len(early), solution["hedge_cost"], solution["shape_cost"], solution["switches"],
    ) + struct.pack(f"<{len(early)}H", *early) + pack_usual(usual)  # fmt: skip


def pack_usual(minutes: Sequence[int]) -> bytes:
    """Return how early other owners left, at most 255 of them, as bytes."""
    return struct.pack(f"<B{len(minutes)}H", len(minutes), *minutes)


def unpack_plan(packed: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return problem, solution and further series of a plan, as they were packed.

    Raises:
        ValueError: for bytes of another version.
    """
    version, slots, status, target_count, other_count, name_length = _HEAD.unpack_from(packed)
    if version not in READABLE:
        raise ValueError(f"A plan packed by version {version} cannot be read.")
    at = _HEAD.size + name_length
    name = packed[_HEAD.size : at].decode()
    numbers = _SCALARS.unpack_from(packed, at)
    at += _SCALARS.size
    targets = [_TARGET.unpack_from(packed, at + _TARGET.size * number) for number in range(target_count)]
    at += _TARGET.size * target_count
    problem: dict[str, Any] = {"id": name, **dict(zip(SCALARS, numbers, strict=False))}
    care, came_to, at = _care(packed, at, version) if version > 1 else ({}, {}, at)
    for key in PROBLEM_SERIES:
        values, at = unpack_series(packed, at)
        problem[key] = values.astype(int).tolist() if key == "plugged" else values.tolist()
    problem["targets"] = [{"slot": slot, "soc_percent": percent} for slot, percent in targets]
    power, at = unpack_series(packed, at)
    soc, at = unpack_series(packed, at)
    codes, at = unpack_series(packed, at) if version > 1 else (np.frombuffer(packed, np.uint8, slots, at), at + slots)
    solution: dict[str, Any] = {
        "id": name,
        "status": STATUSES[status],
        "power_kw": power.tolist(),
        "soc_percent": soc.tolist(),
        **dict(zip(OUTCOMES, numbers[len(SCALARS) :], strict=True)),
        "reasons": [REASONS[int(code)] for code in codes],
    }
    return problem | care, solution | came_to, _others(packed, at, other_count)


def unpack_power(packed: bytes) -> Floats:
    """Return the plan's power alone, kW a slot; the rest is passed over.

    Raises:
        ValueError: for bytes of another version.
    """
    version, _, _, targets, _, name_length = _HEAD.unpack_from(packed)
    if version not in READABLE:
        raise ValueError(f"A plan packed by version {version} cannot be read.")
    at = _HEAD.size + name_length + _SCALARS.size + _TARGET.size * targets
    if version > 1:
        _, _, at = _care(packed, at, version)
    for _ in PROBLEM_SERIES:
        kind, count = _SERIES.unpack_from(packed, at)
        at += _SERIES.size + BYTES_EACH[kind] * count
    return unpack_series(packed, at)[0]


def _care(packed: bytes, at: int, version: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    is_asked, price, departure, switches, least, phase, first, seen, hedge, shape, left = _CARE.unpack_from(packed, at)
    at += _CARE.size
    if not is_asked:
        return {}, {}, at
    care = {
        "shortfall_price": price,
        "departure_slot": departure,
        "minutes_early": list(struct.unpack_from(f"<{seen}H", packed, at)),
        "switches": switches,
        "least_kw": least,
        "rank": None if phase == IN_TIME else [phase, first],
    }
    came_to = {"hedge_cost": hedge, "shape_cost": shape, "switches": left}
    at += 2 * seen
    if version > 2:
        usual = packed[at]
        care["usual_early"] = list(struct.unpack_from(f"<{usual}H", packed, at + 1))
        at += 1 + 2 * usual
    return {"care": care}, came_to, at


def _others(packed: bytes, at: int, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(count):
        ends = at + 1 + packed[at]
        values, after = unpack_series(packed, ends)
        found[packed[at + 1 : ends].decode()] = values.tolist()
        at = after
    return found


def pack_problem_series(problem: Mapping[str, Any]) -> list[bytes]:
    """Return the problem's series, each packed, in the order that `pack_plan` expects."""
    return [pack_series(problem[key]) for key in PROBLEM_SERIES]
