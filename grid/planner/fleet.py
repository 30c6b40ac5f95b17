"""Fleets, from and to the dictionaries of docs/planner-format.md: many cars under shared limits."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import count

import numpy as np

from grid.planner.batch import Batch, Ints, pack, solve
from grid.planner.fleet_limits import Coupling, LimitsError, read_limits
from grid.planner.fleet_solve import SMALL, FleetPlans, solve_fleet, solve_small_fleet
from grid.planner.problem import Floats, Problem, ProblemError, read_problem
from grid.planner.solve import Plan, error_plan, plan_checked, record
from grid.planner.ties import spread_rank

__all__ = ["LimitsError", "plan_fleet"]

NO_PRICE = 1e-6  # of the ceiling: a limit of that price holds nobody back


def plan_fleet(
    raw_problems: Sequence[object], raw_limits: object, *, threads: int = 1
) -> tuple[list[Plan], dict[str, object]]:
    """Plan all problems together under shared limits.

    Returns:
        The plans, in order, with an `error` plan for each problem that breaks the format or whose slots differ from the
        first's, and the fleet's summary.

    Raises:
        LimitsError: where the limits break the format.
    """
    plans: list[Plan] = []
    problems: list[tuple[int, Problem]] = []
    for place, raw in enumerate(raw_problems):
        try:
            problem = read_problem(raw)
            if problems:
                _assert_same_slots(problem, problems[0][1])
            problems.append((place, problem))
            plans.append({})
        except ProblemError as error:
            plans.append(error_plan(raw, str(error)))
    if not problems:
        raise LimitsError("there is no problem to plan")
    cars = [_with_rank(problem) for _, problem in problems]
    coupling = read_limits(raw_limits, [car.id for car in cars], cars[0].slots, cars[0].slot_hours)
    made, fleet = _plan_cars(cars, coupling, threads)
    for (place, _), plan in zip(problems, made, strict=True):
        plans[place] = plan
    return plans, fleet


def _assert_same_slots(problem: Problem, first: Problem) -> None:
    if problem.slots != first.slots:
        raise ProblemError("import_price", f"has {problem.slots} slots where the fleet has {first.slots}")
    if problem.slot_hours != first.slot_hours:
        raise ProblemError("slot_minutes", f"is not the fleet's {first.slot_hours * 60:g}")


def _with_rank(problem: Problem) -> Problem:
    """Spread ties over cars, so that a step of the price brings no new peak."""
    if problem.tie_rank is not None:
        return problem
    return replace(problem, tie_rank=spread_rank(problem.id, problem.slots))


def _plan_cars(cars: Sequence[Problem], coupling: Coupling, threads: int) -> tuple[list[Plan], dict[str, object]]:
    kind_of, representative = _group(cars, coupling)
    weight = np.bincount(kind_of).astype(np.float64)
    some = [cars[i] for i in representative]
    buy, sell = np.stack([car.buy for car in some]), np.stack([car.sell for car in some])
    if not len(coupling):
        return _without_limits(cars, threads)
    if len(some) <= SMALL:
        few = replace(coupling, kind=coupling.kind[representative])
        found = solve_small_fleet(pack(some), buy, sell, few, plain=_plain(some, buy, sell), weight=weight)
        batch, back = pack(some), kind_of
    else:
        buy, sell = np.stack([car.buy for car in cars]), np.stack([car.sell for car in cars])
        batch, back = pack(cars), np.arange(len(cars))
        found = solve_fleet(batch, buy, sell, coupling, threads=threads)
    plans = _records(cars, coupling, found, batch, back)
    net = found.power[back].sum(axis=0)
    return plans, _summary(found, net, weight if back is kind_of else np.ones(len(cars)))


def _without_limits(cars: Sequence[Problem], threads: int) -> tuple[list[Plan], dict[str, object]]:
    plans = solve(pack(cars), *(np.stack([getattr(car, side) for car in cars]) for side in ("buy", "sell")))
    cost, bound = float(plans.cost.sum()), float(plans.bound.sum())
    summary: dict[str, object] = {
        "met": True,
        "excess_kwh": 0.0,
        "net_kw": plans.power.sum(axis=0).tolist(),
        "cost": cost,
        "lower_bound": bound,
        "cost_without_limits": cost,
        "gap": max(0.0, cost - bound) / max(0.01, bound - cost),
        "iterations": 0,
    }
    return plan_checked(cars, threads=threads), summary


def _summary(found: FleetPlans, net: Floats, weight: Floats) -> dict[str, object]:
    cost = float(found.cost @ weight)
    return {
        "met": found.is_met,
        "excess_kwh": found.excess_kwh,
        "net_kw": net.tolist(),
        "cost": cost,
        "lower_bound": found.bound,
        "cost_without_limits": found.free_cost,
        "gap": (cost - found.bound) / max(0.01, found.bound - found.free_cost),
        "iterations": found.iterations,
    }


def _records(cars: Sequence[Problem], coupling: Coupling, found: FleetPlans, batch: Batch, back: Ints) -> list[Plan]:
    """Write each car's plan, its reasons as the price of the limits explains them."""
    price = np.where(found.price > NO_PRICE * max(float(np.abs(found.price).max(initial=0.0)), 1.0), found.price, 0.0)
    adder = coupling.spread(coupling.adder(price), batch.slots)
    plans = []
    for i, car in enumerate(cars):
        k = back[i]
        plan = record(
            car, power=found.power[k], soc=found.soc[k], cost=found.cost[k], bound=found.solo_bound[k],
            lower=batch.lower[k], is_cut=batch.is_cut[k], shadow=adder[coupling.kind[i]],
        )  # fmt: skip
        plans.append(plan)
    return plans


def _group(cars: Sequence[Problem], coupling: Coupling) -> tuple[Ints, Ints]:
    """Number the cars that are alike but for id and rank: returns each car's group and a car of each group."""
    numbers: dict[tuple[object, ...], int] = {}
    fresh = count()
    group, representative = [], []
    for i, car in enumerate(cars):
        parts: list[object] = [int(coupling.kind[i])]
        for field in fields(car):
            value = getattr(car, field.name)
            if field.name not in {"id", "tie_rank"}:
                parts.append(value.tobytes() if isinstance(value, np.ndarray) else value)
        key = tuple(parts)
        if key not in numbers:
            numbers[key] = next(fresh)
            representative.append(i)
        group.append(numbers[key])
    return np.array(group), np.array(representative)


def _plain(cars: Sequence[Problem], buy: Floats, sell: Floats) -> Batch:
    """The same cars with convex rules: one that may be below its reserve either never is or never discharges."""
    batch = pack(cars)
    if not len(batch.climbers.place):
        return batch
    kept = pack([replace(car, minimum_kwh=car.reserve_kwh) for car in cars])
    never = pack([replace(car, max_discharge_kw=0.0, reserve_kwh=car.minimum_kwh) for car in cars])
    costs = [solve(either, buy, sell).cost for either in (kept, never)]
    chosen = [
        car if place < 0 else replace(car, minimum_kwh=car.reserve_kwh) if a <= b
        else replace(car, max_discharge_kw=0.0, reserve_kwh=car.minimum_kwh)
        for car, place, a, b in zip(cars, batch.climbers.place, *costs, strict=True)
    ]  # fmt: skip
    return pack(chosen)
