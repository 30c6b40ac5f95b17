"""The planner against HiGHS and against itself: exactness, time per car, long horizons, fleets."""

from collections.abc import Iterator

import numpy as np

from benchmarks.fleets import event_fleet, joint_programme_seconds
from benchmarks.highs import Model, Reused, terms_of
from benchmarks.instances import BOTH_AT_ONCE, EXACT, Raw, plain
from benchmarks.ratios import Ratio, cpu_seconds
from grid.planner.batch import Batch, pack, solve
from grid.planner.fleet_solve import solve_fleet
from grid.planner.problem import Floats, read_problem
from grid.planner.solve import plan_problem


def run(*, is_short: bool = False) -> Iterator[Ratio]:
    """Yield the planner's ratios."""
    yield from exactness(60 if is_short else 5000)
    yield from one_way(20 if is_short else 300)
    yield from per_car(500 if is_short else 2000)
    yield from fleet(5_000 if is_short else 100_000)
    yield from against_joint(1_000 if is_short else 10_000)


def exactness(count: int) -> Iterator[Ratio]:
    """The largest relative gap to HiGHS over random instances of every family."""
    worst, model, families = 0.0, Model(), list(EXACT.values())
    for seed in range(count):
        slots, minutes = [(96, 15.0), (96, 15.0), (96, 15.0), (192, 15.0), (576, 5.0)][seed % 5]
        rng = np.random.default_rng([seed, 41])
        raw = families[seed % len(families)](rng, slots, minutes, v2g=(seed // 7) % 2 == 0)
        model.load(terms_of(raw, floor="reserve_percent" if raw["max_discharge_kw"] else "minimum_percent"))
        best = model.solve()
        worst = max(worst, abs(float(plan_problem(raw)["cost"]) - best) / max(1.0, abs(best)))  # type: ignore[arg-type]
    yield Ratio("largest gap to HiGHS", worst, 1e-9, is_ceiling=True, detail=f"{count} instances")


def one_way(count: int) -> Iterator[Ratio]:
    """The largest gap to HiGHS's mixed-integer programme where both ways at once would pay."""
    worst, model, families = 0.0, Model(), list(BOTH_AT_ONCE.values())
    for seed in range(count):
        raw = families[seed % len(families)](np.random.default_rng([seed, 43]), 96, 15.0)
        model.load(terms_of(raw), one_way=True)
        best = model.solve()
        worst = max(worst, (float(plan_problem(raw)["cost"]) - best) / max(1.0, abs(best)))  # type: ignore[arg-type]
    yield Ratio("largest gap to HiGHS MILP, rich export", worst, 1e-3, is_ceiling=True, detail=f"{count} instances")


def per_car(count: int) -> Iterator[Ratio]:
    """HiGHS's time per car over ours, V2G, every slot its own price; and what finer slots cost us."""
    seconds: dict[tuple[int, bool], float] = {}
    for slots, minutes, v2g in ((96, 15.0, True), (96, 15.0, False), (192, 15.0, True), (576, 5.0, True)):
        rng = np.random.default_rng([slots, v2g])
        raws = [plain(rng, slots, minutes, v2g=v2g) for _ in range(count if slots < 576 else count // 4)]
        batch, buy, sell = packed(raws)
        seconds[slots, v2g] = cpu_seconds(lambda: solve(batch, buy, sell, want_soc=False)) / len(raws)  # noqa: B023
        if slots == 96:
            yield from _rivals(raws[:60], seconds[slots, v2g], "V2G" if v2g else "V1G")
    ours = seconds[96, True]
    yield Ratio("T=192 over T=96, V2G", seconds[192, True] / ours)
    yield Ratio("5-minute slots over 48 h over T=96, V2G", seconds[576, True] / ours, 8.0, is_ceiling=True)


def _rivals(raws: list[Raw], ours: float, what: str) -> Iterator[Ratio]:
    """HiGHS three ways: the programme as the format writes it, passed anew or changed in place, and its best form."""
    terms = [terms_of(raw) for raw in raws]
    anew = Model(tolerance=1e-7)

    def pass_anew() -> None:
        for each in terms:
            anew.load(each)
            anew.solve()

    is_goal = what == "V2G"
    for name, reused in (("", Reused(terms[0])), (", battery-side columns", Reused(terms[0], is_battery_side=True))):
        theirs = cpu_seconds(lambda: [reused.solve(each) for each in terms], repeats=3) / len(terms)  # noqa: B023
        target, moonshot = (100.0, 200.0) if is_goal and not name else (None, None)
        detail = f"{theirs * 1e6:.0f} us over {ours * 1e6:.2f} us"
        title = f"HiGHS, model reused, warm basis{name}, over ours, {what}"
        yield Ratio(title, theirs / ours, target, moonshot, detail=detail)
    theirs = cpu_seconds(pass_anew, repeats=2) / len(terms)
    yield Ratio(f"HiGHS, model passed anew, over ours, {what}", theirs / ours)


def packed(raws: list[Raw]) -> tuple[Batch, Floats, Floats]:
    """Pack problems with their prices."""
    problems = [read_problem(raw) for raw in raws]
    return pack(problems), np.stack([p.buy for p in problems]), np.stack([p.sell for p in problems])


def fleet(count: int) -> Iterator[Ratio]:
    """A fleet event of 12 slots over one pass of the oracle."""
    for name, share, hour, part in (
        ("30 % V2G, midnight, half of what it could", 0.3, 24.0, 0.5),
        ("all V2G, midnight, 90 % of what it could", 1.0, 24.0, 0.9),
    ):
        batch, buy, sell, coupling = event_fleet(count, v2g_share=share, hour=hour, part=part)
        one = cpu_seconds(lambda: solve(batch, buy, sell, want_soc=False, watch=coupling.watch), repeats=3)  # noqa: B023
        found = solve_fleet(batch, buy, sell, coupling)
        total = cpu_seconds(lambda: solve_fleet(batch, buy, sell, coupling), repeats=1)  # noqa: B023
        detail = f"{count:,} cars, met {found.is_met}, excess {found.excess_kwh:.2g} kWh, {found.iterations} passes"
        yield Ratio(f"fleet event over one pass, {name}", total / one, 12.0, is_ceiling=True, detail=detail)
        yield Ratio(f"fleet event, certified gap of its cost, {name}", found.gap, 1e-3, is_ceiling=True)


def against_joint(count: int) -> Iterator[Ratio]:
    """The joint programme of a fleet event in HiGHS over ours."""
    batch, buy, sell, coupling = event_fleet(count, v2g_share=0.3, hour=24.0, part=0.5)
    found = solve_fleet(batch, buy, sell, coupling)
    ours = cpu_seconds(lambda: solve_fleet(batch, buy, sell, coupling), repeats=2)
    theirs, best = joint_programme_seconds(batch, buy, sell, coupling)
    detail = f"{count:,} cars; our cost above the optimum: {(found.cost.sum() - best) / (best - found.free_cost):.1e}"
    yield Ratio("joint programme in HiGHS over ours", theirs / ours, 100.0, detail=f"{detail} of the event's cost")
