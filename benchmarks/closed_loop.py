"""Real sessions, real prices, drivers who leave when they leave: shortfall against cost as a frontier.

Cars are planned on arrival for the announced departure, and anew every hour and where they depart from their plan.
Charging at once gives every car all its energy; what waiting for cheap power saves against it is paid for in cars that
leave before they are done. The frontier says how much of one buys how much of the other. A missing kWh counts as
bought at what charging at once paid for that car's energy, so leaving cars short saves nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.closed_loop_data import Sessions, read_sessions
from benchmarks.closed_loop_world import TAPER, Outcome, Policy, World, build_world, simulate
from benchmarks.ratios import Ratio
from grid.planner.hedge import Caution

HEDGES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # currency for a kWh missing on leaving early
MARGINS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)  # hours earlier than announced
SHORT_KWH = 1.0
GAUGE = 0.001  # a car's gauge shows tenths of a percent of its battery
SIDES = {"evening": 9.0, "as parked": 0.0}  # hours later than the sessions were
V2G_SIDE = "evening, V2G"
FEW = 0.03  # the share of cars short at which savings are compared
MOST = 0.75  # of the savings without a hedge, at which the cars short are compared
SLOW_KW = 3.6
EVERY_SHORT = 12  # the short run takes each so many-th session


@dataclass(frozen=True, slots=True)
class Point:
    """One policy's result: shares of cars short by over 1 kWh, of energy missing, of cost saved; cost; promise kept."""

    name: str
    short: float
    missing: float
    saved: float
    price_per_kwh: float
    kept: float


def careful(shortfall_price: float) -> Caution:
    """The caution of one point of the frontier."""
    return Caution(shortfall_price=shortfall_price, margin_minutes=0.0, taper=TAPER)


def hedges() -> list[Policy]:
    """Our planner, from no hedge to a strong one."""
    return [Policy("no hedge", careful(0.0)), *(Policy(f"hedge {price:g}/kWh", careful(price)) for price in HEDGES)]


def margins() -> list[Policy]:
    """What others do, if anything: plan for a departure some hours earlier than announced."""
    return [Policy(f"{hours:g} h earlier", careful(0.0), earlier_hours=hours) for hours in MARGINS]


def told() -> Policy:
    """The bound: knows the real departure."""
    return Policy("told the real departure", careful(0.0), is_told=True)


def point(world: World, policy: Policy, at_once: Outcome) -> Point:
    """Simulate one policy beside charging at once."""
    found, wanted = simulate(world, policy), world.sessions.energy_kwh
    missing = wanted - found.kwh
    cost = float((found.cost + missing * at_once.cost / at_once.kwh).sum())
    has_stayed = world.sessions.stay_hours >= world.sessions.announced_hours
    lag = at_once.kwh_as_announced - found.kwh_as_announced
    return Point(
        policy.name,
        short=float((missing > SHORT_KWH).mean()),
        missing=float(missing.sum() / wanted.sum()),
        saved=1.0 - cost / float(at_once.cost.sum()),
        price_per_kwh=cost / float(wanted.sum()),
        kept=float((lag <= GAUGE * world.capacity_kwh)[has_stayed].mean()),
    )


def points(world: World, policies: Sequence[Policy]) -> list[Point]:
    """Simulate policies, in order."""
    at_once = simulate(world, Policy("charge at once"))
    return [point(world, policy, at_once) for policy in policies]


def saved_where_few_are_short(frontier: Sequence[Point]) -> float:
    """What a frontier saves where FEW of the cars are short, between its points."""
    order = sorted((each.short, each.saved) for each in frontier)
    return float(np.interp(FEW, [short for short, _ in order], [saved for _, saved in order]))


def short_where_saved(frontier: Sequence[Point], saved: float) -> float:
    """The share of cars short where a frontier saves so much, between its points."""
    order = sorted((each.saved, each.short) for each in frontier)
    return float(np.interp(saved, [much for much, _ in order], [short for _, short in order]))


def run(*, is_short: bool = False) -> Iterator[Ratio]:
    """Yield the frontiers and what they come to."""
    sessions = read_sessions(every=EVERY_SHORT if is_short else 1)
    for name, hours_later in SIDES.items():
        yield from _side(name, build_world(sessions, hours_later=hours_later))
    if not is_short:
        yield from _side(V2G_SIDE, build_world(sessions, hours_later=SIDES["evening"], is_v2g=True))
        yield from _slow(sessions)


def _side(name: str, world: World) -> Iterator[Ratio]:
    best = points(world, [Policy("charge at once"), told()])
    ours, plain = points(world, hedges()), points(world, margins())
    for each in [*best, *ours, *plain]:
        paid = f"saves {max(each.saved, 0.0):.1%}, {each.price_per_kwh * 100:.2f} ct/kWh"
        detail = f"{paid}, {each.missing:.2%} of energy missing"
        yield Ratio(f"{name}, {each.name}: % of cars short by > {SHORT_KWH:g} kWh", each.short * 100, detail=detail)
    few, unhedged = saved_where_few_are_short(ours), ours[0]
    detail = f"{few:.1%} of {unhedged.saved:.1%}, for {FEW:.0%} of cars short instead of {unhedged.short:.1%}"
    yield Ratio(f"{name}, share of the savings the hedge keeps", few / unhedged.saved, 0.6, detail=detail)
    most = MOST * unhedged.saved
    with_margin, hedged = short_where_saved([unhedged, *plain], most), short_where_saved(ours, most)
    detail = f"{with_margin:.1%} over {hedged:.1%}, both saving {most:.1%}"
    yield Ratio(
        f"{name}, cars short by a margin over cars short by the hedge", with_margin / hedged, 2.5, detail=detail
    )
    yield _kept(name, [*ours, *plain], world.sessions)


def _slow(sessions: Sessions) -> Iterator[Ratio]:
    """The same evenings with cars of half the power: harder to be ready with, and less to save."""
    ours = points(build_world(sessions, station_kw=SLOW_KW, hours_later=SIDES["evening"]), hedges())
    few = saved_where_few_are_short(ours)
    name = f"evening, {SLOW_KW:g} kW cars"
    yield Ratio(f"{name}, share of the savings the hedge keeps", few / ours[0].saved, detail=f"{few:.1%}")
    yield _kept(name, ours, sessions)


def _kept(name: str, frontier: Sequence[Point], sessions: Sessions) -> Ratio:
    stayed = int((sessions.stay_hours >= sessions.announced_hours).sum())
    detail = f"{stayed:,} of {len(sessions):,} sessions stayed so long; the least of {len(frontier)} policies"
    return Ratio(f"{name}, announced departures kept", min(each.kept for each in frontier), 0.999, detail=detail)
