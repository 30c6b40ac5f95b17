"""Plans for owners who sometimes leave early: the risk learnt from their history, its price in the programme.

Leaving at boundary b with less than the target costs `price * missing kWh`; the chance of leaving then is learnt from
how early past departures were. The expected cost, the sum over b of chance * price * max(0, target - SoC at b), is
convex and piecewise linear, so the programme minimises it exactly together with the cost of power. Where the history is
short, other owners' departures stand in, and a margin asks for the target some slots earlier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.planner.batch import Batch, pack, solve
from grid.planner.outcome import stays
from grid.planner.problem import Floats, Problem, ProblemError, read_problem
from grid.planner.shape import Taper
from grid.planner.solve import Plan, error_plan, record

SHORTFALL_PRICE = 1.0  # currency/kWh an owner who leaves early is short of: some four times the price of power
PRIOR_DEPARTURES = 8.0  # an owner we know nothing about counts as this many departures of the usual kind
PRIOR_EARLY = 0.25  # of which so many are early,
PRIOR_MINUTES = 60.0  # by this long on average
ENOUGH_DEPARTURES = 10  # from as many on, the history speaks for itself and needs no margin
SPREAD_MINUTES = 60.0  # who once left 50 minutes early may leave 40 or 70 minutes early the next time


@dataclass(frozen=True, slots=True)
class Hedged:
    """A plan that allows for leaving early: what that adds to its cost and what an early departure would lack.

    `expected_shortfall_kwh` is the mean over the learnt departures, `without_hedge_kwh` that of the best plan.
    """

    plan: Plan
    added_cost: float
    expected_shortfall_kwh: float
    without_hedge_kwh: float


@dataclass(frozen=True, slots=True)
class Caution:
    """How much is given for being ready early.

    `shortfall_price` is what a missing kWh counts when the owner leaves early, `margin_minutes` how much earlier the
    target is asked for where the history is short, `taper` how the car slows down near full.
    """

    shortfall_price: float = SHORTFALL_PRICE
    margin_minutes: float = 30.0
    taper: Taper | None = None


def early_chances(
    minutes_early: Sequence[float], slots: int, slot_minutes: float, usual: Sequence[float] = ()
) -> Floats:
    """The chance of leaving 1, 2, ... `slots` slots before the announced departure, for a car that is still here.

    Departures that would have been over by now say nothing: as the announced departure draws near, those who leave
    hours early have gone, and the chances are those of the owners who stay.

    Args:
        minutes_early: of each past departure, how long before the announced time it was; late ones count as zero.
        slots: how many slots are left until the announced departure.
        slot_minutes: length of a slot.
        usual: how early other owners left in the like circumstances, the prior of one who has little history;
            without any it is PRIOR_EARLY.
    """
    edges = np.asarray(np.arange(slots + 1) * slot_minutes, dtype=np.float64)
    seen, stayed = _share_of(minutes_early, edges)
    if len(usual):
        prior, prior_stayed = _share_of(usual, edges)
        everyone = float(len(usual))
    else:
        prior = np.diff(-np.exp(-edges / PRIOR_MINUTES)) * PRIOR_EARLY
        prior_stayed, everyone = 1.0 - PRIOR_EARLY, 1.0
    weight = PRIOR_DEPARTURES / everyone
    left = seen + weight * prior
    here = stayed + weight * prior_stayed + float(left.sum())
    return left / max(here, 1e-9)


def _share_of(minutes_early: Sequence[float], edges: Floats) -> tuple[Floats, float]:
    """How many departures fall between each two edges, each spread by SPREAD_MINUTES, and how many were not early."""
    minutes = np.asarray(minutes_early, dtype=np.float64)
    early = minutes[minutes > 0.0]
    away = np.clip((edges[:, None] - early) / SPREAD_MINUTES, -1.0, 1.0)
    before = np.where(away < 0.0, 0.5 * (1.0 + away) ** 2, 1.0 - 0.5 * (1.0 - away) ** 2).sum(axis=1)
    return np.diff(before), float(len(minutes) - len(early) + before[0])


def margin_slots(departures_seen: int, slot_minutes: float, *, margin_minutes: float = 30.0) -> int:
    """How many slots earlier to be ready: the margin shrinks to nothing as the history grows."""
    trust = min(1.0, departures_seen / ENOUGH_DEPARTURES)
    return round((1.0 - trust) * margin_minutes / slot_minutes)


def plan_hedged(
    raw: Mapping[str, object],
    minutes_early: Sequence[float],
    *,
    usual: Sequence[float] = (),
    caution: Caution = Caution(),
) -> Hedged:
    """Plan one car whose owner may leave early; a problem that breaks the format gives a plan of status `error`."""
    try:
        problem = read_problem(raw)
    except ProblemError as error:
        return Hedged(error_plan(raw, str(error)), 0.0, 0.0, 0.0)
    chance = departure_chances(problem, minutes_early, usual)
    margin = margin_slots(len(minutes_early), problem.slot_hours * 60.0, margin_minutes=caution.margin_minutes)
    plain, careful = pack([problem]), pack_careful([problem], chance[None], [margin], caution)
    best, hedged = solve(plain, problem.buy, problem.sell), solve(careful, problem.buy, problem.sell)
    plan = record(
        problem, power=hedged.power[0], soc=hedged.soc[0], cost=hedged.cost[0], bound=best.bound[0],
        lower=plain.lower[0], is_cut=plain.is_cut[0],
    )  # fmt: skip
    lack = [
        float(chance @ np.maximum(hedge_level(problem) - soc, 0.0)) for soc in (hedged.soc[0], best.soc[0])
    ]  # fmt: skip
    return Hedged(plan, float(hedged.cost[0] - best.cost[0]), *lack)


def pack_careful(problems: Sequence[Problem], chances: Floats, margins: Sequence[int], caution: Caution) -> Batch:
    """Pack problems of equal T so that `solve` allows for leaving early by these chances [N, T+1] and margins [N]."""
    asked = [with_margin(problem, margin) for problem, margin in zip(problems, margins, strict=True)]
    if caution.taper is not None:
        asked = [with_taper(problem, caution.taper) for problem in asked]
    batch = pack(asked)
    batch.penalty = chances * caution.shortfall_price
    batch.hedge_to = np.array([hedge_level(problem) for problem in problems])
    return batch


def hedge_level(problem: Problem) -> float:
    """The SoC (kWh) an early departure should find: that of the first departure's highest target."""
    slot = _departure(problem)
    return max((min(kwh, problem.max_kwh) for at, kwh in problem.targets if at == slot), default=0.0)


def departure_chances(problem: Problem, minutes_early: Sequence[float], usual: Sequence[float] = ()) -> Floats:
    """The chance of leaving at each boundary [T+1] of the stay that ends with the first target."""
    chances = np.zeros(problem.slots + 1)
    slot = _departure(problem)
    begin = next((a for a, b in stays(problem.plugged) if a < slot <= b), slot)
    if slot > begin:
        back = early_chances(minutes_early, slot - begin, problem.slot_hours * 60.0, usual)
        chances[begin + 1 : slot] = back[: slot - begin - 1][::-1]
    return chances


def with_margin(problem: Problem, slots: int) -> Problem:
    """Ask for each target so many slots earlier, as far as the car is plugged in then."""
    earlier = []
    for slot, kwh in problem.targets:
        begin = next((a for a, b in stays(problem.plugged) if a < slot <= b), slot)
        earlier.append((max(slot - slots, min(begin + 1, slot)), kwh))
    return replace(problem, targets=(*problem.targets, *earlier))


def with_taper(problem: Problem, taper: Taper) -> Problem:
    """Ask, before each target, for what a car needs to reach it at the power it takes at each slot's end."""
    earlier = []
    for slot, wanted in problem.targets:
        kwh = min(wanted, problem.max_kwh)
        begin = next((a for a, b in stays(problem.plugged) if a < slot <= b), slot)
        for boundary in range(slot - 1, begin, -1):
            power = taper.most_kw(problem, kwh)
            if power >= problem.max_charge_kw:
                break
            kwh -= power * problem.charge_efficiency * problem.slot_hours
            earlier.append((boundary, kwh))
    return replace(problem, targets=(*problem.targets, *earlier))


def _departure(problem: Problem) -> int:
    return min((slot for slot, _ in problem.targets if slot > 0), default=0)
