"""Plans of cars, from and to the dictionaries of docs/planner-format.md."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from grid.planner import outcome
from grid.planner.batch import pack, solve
from grid.planner.problem import Floats, Problem, ProblemError, read_problem
from grid.planner.reasons import reasons_of

Plan = dict[str, object]

STRIDE_SLOTS = 200  # up to as many slots, every one is tried for where a car below its reserve may discharge from
PROBE_KWH = 1e-3  # small beside what a slot charges, large beside rounding


def plan_problem(problem: Mapping[str, object]) -> Plan:
    """Plan one car; a problem that breaks the format gives a plan of status `error` that names the key."""
    return plan_problems([problem])[0]


def plan_problems(problems: Sequence[object], *, threads: int = 1) -> list[Plan]:
    """Plan many cars, in order; each bad problem gives an `error` plan and the others are still solved."""
    plans: list[Plan] = []
    good: list[tuple[int, Problem]] = []
    for place, raw in enumerate(problems):
        try:
            good.append((place, read_problem(raw)))
            plans.append({})
        except ProblemError as error:
            plans.append(error_plan(raw, str(error)))
    by_slots = sorted(good, key=lambda item: item[1].slots)
    for _, items in groupby(by_slots, key=lambda item: item[1].slots):
        group = list(items)
        made = plan_checked([problem for _, problem in group], threads=threads)
        for (place, _), plan in zip(group, made, strict=True):
            plans[place] = plan
    return plans


def error_plan(raw: object, error: str) -> Plan:
    """The record of a line that cannot be planned; its id is null where the line is no JSON object."""
    name = raw.get("id") if isinstance(raw, Mapping) else None
    return {"id": name if isinstance(name, str | int) else None, "status": "error", "error": error}


def plan_checked(problems: Sequence[Problem], *, threads: int = 1) -> list[Plan]:
    """Plan checked problems of equal T in one batch."""
    buy = np.stack([problem.buy for problem in problems])
    sell = np.stack([problem.sell for problem in problems])
    batch = pack(problems)
    stride = 1 + problems[0].slots // STRIDE_SLOTS
    plans = solve(batch, buy, sell, threads=threads, stride=stride)
    return [
        record(
            problem, power=plans.power[i], soc=plans.soc[i], cost=plans.cost[i], bound=plans.bound[i],
            lower=batch.lower[i], is_cut=batch.is_cut[i],
        )
        for i, problem in enumerate(problems)
    ]  # fmt: skip


def value_of_kwh(problem: Mapping[str, object]) -> float:
    """What one more kWh in the battery now would save: the slope of the cost-to-go, currency/kWh.

    Raises:
        ProblemError: where the problem breaks the format.
    """
    checked = read_problem(problem)
    fuller = replace(checked, start_kwh=checked.start_kwh + PROBE_KWH)
    buy, sell = np.stack([checked.buy] * 2), np.stack([checked.sell] * 2)
    now, then = solve(pack([checked, fuller]), buy, sell).cost
    return float(now - then) / PROBE_KWH


def record(
    problem: Problem,
    *,
    power: Floats,
    soc: Floats,
    cost: float,
    bound: float,
    lower: Floats,
    is_cut: int,
    shadow: Floats | None = None,
) -> Plan:
    """Write a plan as docs/planner-format.md fixes it.

    `lower` [T+1] kWh are the bounds it was made under, `shadow` [T] the price of a fleet's limits, for the reasons.
    """
    # Steps of the battery turned back into power may miss the limit by one rounding.
    power = np.clip(power, -problem.max_discharge_kw, problem.max_charge_kw)
    at_once, at_once_soc = outcome.charge_at_once(problem)
    return {
        "id": problem.id,
        "status": "relaxed" if is_cut else "optimal",
        "power_kw": power.tolist(),
        "soc_percent": np.clip(soc / problem.capacity_kwh * 100.0, 0.0, 100.0).tolist(),
        "cost": float(cost),
        "lower_bound": float(min(bound, cost)),
        "cash": outcome.cash_of(problem, power),
        "carbon_kg": outcome.carbon_of(problem, power),
        "cost_of_charging_at_once": outcome.cost_of(problem, at_once, float(at_once_soc[-1])),
        "shortfall_kwh": outcome.shortfall_of(problem, soc),
        "reasons": reasons_of(problem if shadow is None else _under(problem, shadow), power, soc, lower),
    }


def _under(problem: Problem, shadow: Floats) -> Problem:
    return replace(problem, adder=problem.adder + shadow)


def warm() -> None:
    """Compile, or load from the cache, all that planning needs: called when a worker starts."""
    tiny: dict[str, object] = {
        "id": "warm",
        "slot_minutes": 15,
        "import_price": [0.3, 0.2],
        "export_price": [0.3, 0.2],
        "plugged": [1, 1],
        "capacity_kwh": 60.0,
        "soc_percent": 50.0,
        "max_charge_kw": 7.4,
        "max_discharge_kw": 7.4,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.9,
        "wear_per_kwh": 0.03,
        "targets": [{"slot": 2, "soc_percent": 52.0}],
        "terminal_value_per_kwh": 0.2,
    }
    assert plan_problem(tiny)["status"] == "optimal"
