"""A plan's arrays as compact bytes: lossless, versioned, the same on every machine; no Django.

A series is kept in millionths as 32-bit integers, as runs where that is shorter; where millionths would lose anything,
as 64-bit floats. Prices that step by the hour, a car that charges or does not, a flat export rate: all take few runs.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grid.planner.problem import Floats

VERSION = 1
MILLION = 1_000_000
FLOATS, MILLIONTHS, RUNS = 0, 1, 2
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

_HEAD = struct.Struct("<BHBBBB")  # version, slots, status, targets, other series, length of the id
_SCALARS = struct.Struct(f"<{len(SCALARS) + len(OUTCOMES)}d")
_TARGET = struct.Struct("<Hd")
_SERIES = struct.Struct("<BH")  # kind, number of values or runs


def pack_series(values: Floats | Sequence[float]) -> bytes:
    """Return a series as bytes, from which `unpack_series` makes the same numbers."""
    series = np.asarray(values, dtype=np.float64)
    whole = np.rint(series * MILLION)
    if not ((np.abs(whole) <= LARGEST).all() and (whole / MILLION == series).all()):
        return _SERIES.pack(FLOATS, len(series)) + series.astype("<f8").tobytes()
    starts = np.flatnonzero(np.diff(whole, prepend=np.nan))
    if 6 * len(starts) < 4 * len(whole):
        lengths = np.diff(starts, append=len(whole)).astype("<u2")
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
        problem: its scalars, id and targets, as docs/planner-format.md fixes them.
        solution: its status, outcomes, power_kw and soc_percent.
        reasons: one place in REASONS a slot.
        series: the problem's PROBLEM_SERIES, packed: cars of one tariff share theirs.
        others: further series to keep, by name, packed.
    """
    name = problem["id"].encode()
    targets = problem["targets"]
    status = STATUSES.index(solution["status"])
    numbers = [float(problem[key]) for key in SCALARS] + [float(solution[key]) for key in OUTCOMES]
    return b"".join(
        (
            _HEAD.pack(VERSION, len(reasons), status, len(targets), len(others), len(name)),
            name,
            _SCALARS.pack(*numbers),
            *(_TARGET.pack(target["slot"], target["soc_percent"]) for target in targets),
            *series,
            pack_series(solution["power_kw"]),
            pack_series(solution["soc_percent"]),
            reasons,
            *(bytes((len(key),)) + key.encode() + values for key, values in others.items()),
        )
    )


def unpack_plan(packed: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return problem, solution and further series of a plan, as they were packed.

    Raises:
        ValueError: for bytes of another version.
    """
    version, slots, status, target_count, other_count, name_length = _HEAD.unpack_from(packed)
    if version != VERSION:
        raise ValueError(f"A plan packed by version {version} cannot be read.")
    at = _HEAD.size + name_length
    name = packed[_HEAD.size : at].decode()
    numbers = _SCALARS.unpack_from(packed, at)
    at += _SCALARS.size
    targets = [_TARGET.unpack_from(packed, at + _TARGET.size * number) for number in range(target_count)]
    at += _TARGET.size * target_count
    problem: dict[str, Any] = {"id": name, **dict(zip(SCALARS, numbers, strict=False))}
    for key in PROBLEM_SERIES:
        values, at = unpack_series(packed, at)
        problem[key] = values.astype(int).tolist() if key == "plugged" else values.tolist()
    problem["targets"] = [{"slot": slot, "soc_percent": percent} for slot, percent in targets]
    power, at = unpack_series(packed, at)
    soc, at = unpack_series(packed, at)
    solution: dict[str, Any] = {
        "id": name,
        "status": STATUSES[status],
        "power_kw": power.tolist(),
        "soc_percent": soc.tolist(),
        **dict(zip(OUTCOMES, numbers[len(SCALARS) :], strict=True)),
        "reasons": [REASONS[code] for code in packed[at : at + slots]],
    }
    return problem, solution, _others(packed, at + slots, other_count)


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
