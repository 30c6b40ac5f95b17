"""Fleets in arrays: the cheapest plans of many cars that keep shared limits, with a proved gap."""

from dataclasses import dataclass, replace

import numpy as np

from grid.planner.batch import Batch, Ints, Plans, solve
from grid.planner.fleet_columns import STRIDE, Coordinated, Fleet, coordinate
from grid.planner.fleet_limits import Coupling
from grid.planner.fleet_lp import solve_jointly
from grid.planner.fleet_rounding import Rounded, round_mixture
from grid.planner.problem import Floats

SMALL = 300  # cars up to which one linear programme for all is quicker and exact
CEILING = 20.0  # times the dearest kWh: what exceeding a limit costs, so that it comes before every other cost
TINY_KWH = 1e-9
ENOUGH = 1e-3  # a gap at which the plans are good enough
ATTEMPTS = 3  # at them; each with so many passes more
MORE_PASSES = 4


@dataclass(slots=True)
class FleetPlans:
    """Plans of N cars: net AC power [N, T], SoC kWh [N, T+1], cost and its solo lower bound [N]; what they amount to.

    `bound` is a proved lower bound on the total cost of any plans that exceed the limits by no more energy than these;
    `price` [E] is that of each limit row, `free_cost` the cost without limits.
    """

    power: Floats
    soc: Floats
    cost: Floats
    solo_bound: Floats
    price: Floats
    bound: float
    free_cost: float
    excess_kwh: float
    is_met: bool
    iterations: int

    @property
    def gap(self) -> float:
        """How far the cost is from the bound, relative to what the limits cost."""
        return float((self.cost.sum() - self.bound) / max(0.01, self.bound - self.free_cost))


def ceiling_of(batch: Batch, buy: Floats, sell: Floats) -> float:
    """The price of exceeding a limit by a kWh: far above what avoiding it can cost any car."""
    loss = float((batch.charge_efficiency * batch.discharge_efficiency).min())
    dearest = max(float(np.abs(buy).max()), float(np.abs(sell).max()), float(np.abs(batch.end_value).max()), 0.1)
    return CEILING * (2.0 * dearest + float(batch.wear.max())) / loss


def solve_fleet(
    batch: Batch, buy: Floats, sell: Floats, coupling: Coupling, *, threads: int = 1, want_soc: bool = True
) -> FleetPlans:
    """Plan more than a few cars together by column generation.

    Args:
        batch: the cars.
        buy: [G, T] as `batch.solve` takes it.
        sell: [G, T] likewise.
        coupling: the limits.
        threads: how many cores to use.
        want_soc: return the SoC at slot boundaries too.
    """
    fleet = Fleet(batch, buy, sell, coupling, ceiling_of(batch, buy, sell), threads)
    found = coordinate(fleet)
    for attempt in range(ATTEMPTS):
        rounded = round_mixture(fleet, found) if len(found.busy) else None
        plans = _recover(fleet, found, rounded, want_soc=want_soc)
        price = found.search.mixture.price if found.search.mixture else np.zeros(len(coupling))
        made = finish(
            batch, coupling, plans, solo_bound=found.solo_bound, price=price, proved=found.search.best,
            ceiling=fleet.ceiling, free_cost=found.free_cost, iterations=round(fleet.passes),
        )  # fmt: skip
        if made.gap <= ENOUGH or rounded is None or found.search.columns.is_full or attempt == ATTEMPTS - 1:
            break
        target = 0.1 * ENOUGH / 10.0**attempt
        found.search.converge(found.free_cost, MORE_PASSES, target=target)
    return made


def solve_small_fleet(
    batch: Batch, buy: Floats, sell: Floats, coupling: Coupling, *, plain: Batch, weight: Floats
) -> FleetPlans:
    """Plan a few cars together by one linear programme.

    Args:
        batch: the cars.
        buy: [G, T] as `batch.solve` takes it.
        sell: [G, T] likewise.
        coupling: the limits.
        plain: the same cars, those that may be below their reserve held to a rule that is convex.
        weight: [N] how many identical cars each stands for.
    """
    ceiling = ceiling_of(batch, buy, sell)
    free = solve(batch, buy, sell)
    joint = solve_jointly(plain, buy, sell, coupling, ceiling=ceiling, weight=weight)
    plans = plans_of_steps(batch, buy, sell, joint.step)
    adder = coupling.spread(coupling.adder(joint.price), batch.slots)
    priced = solve(batch, buy, sell, adder=adder, kind=coupling.kind, want_soc=False)
    paid = coupling.slot_hours * float((coupling.sign * joint.price) @ coupling.limit)
    proved = float(priced.bound @ weight) - paid  # what the prices of the programme prove by themselves
    if not len(batch.climbers.place):
        proved = max(proved, joint.bound)
    return finish(
        batch, coupling, plans, solo_bound=free.bound, price=joint.price, proved=proved, ceiling=ceiling,
        free_cost=float(free.cost @ weight), iterations=1, weight=weight,
    )  # fmt: skip


def finish(
    batch: Batch,
    coupling: Coupling,
    plans: Plans,
    *,
    solo_bound: Floats,
    price: Floats,
    proved: float,
    ceiling: float,
    free_cost: float,
    iterations: int,
    weight: Floats | None = None,
) -> FleetPlans:
    """Add up plans: their excess, and the bound that `proved`, which charges excess at `ceiling`, leaves."""
    counts = np.ones(len(batch)) if weight is None else weight
    net = coupling.net(plans.power[:, coupling.watch] * counts[:, None])
    over = np.maximum(coupling.over(net), 0.0)
    excess = float(over.sum()) * coupling.slot_hours
    excess = excess if excess > TINY_KWH else 0.0
    total = float(plans.cost @ counts)
    return FleetPlans(
        power=plans.power,
        soc=plans.soc,
        cost=plans.cost,
        solo_bound=solo_bound,
        price=price,
        bound=min(proved - ceiling * excess, total),
        free_cost=free_cost,
        excess_kwh=excess,
        is_met=coupling.is_met(net),
        iterations=iterations,
    )


def plans_of_steps(batch: Batch, buy: Floats, sell: Floats, step: Floats) -> Plans:
    """Turn battery steps [N, T] kWh into plans with their cost."""
    step = np.where(np.abs(step) < TINY_KWH, 0.0, step)
    hours = batch.slot_hours[:, None]
    drawn = np.maximum(step, 0.0) / batch.charge_efficiency[:, None]
    delivered = np.maximum(-step, 0.0) * batch.discharge_efficiency[:, None]
    soc = np.concatenate([batch.start[:, None], batch.start[:, None] + np.cumsum(step - batch.drive, axis=1)], axis=1)
    running = buy[batch.row] * drawn - (sell[batch.row] - batch.wear[:, None]) * delivered
    cost = running.sum(axis=1) - batch.end_value * soc[:, -1]
    return Plans(cost, cost.copy(), (drawn - delivered) / hours, soc)


def _recover(fleet: Fleet, found: Coordinated, rounded: Rounded | None, *, want_soc: bool) -> Plans:
    """Plan every car once more under the price its stored plan was made at."""
    batch, rows = fleet.batch, fleet.coupling
    adder, offsets = _tables(found)
    row = rows.kind.copy()
    if rounded is not None:
        row[found.busy] = _rows(found, offsets, rounded.pick)
    table = rows.spread(adder, batch.slots)
    plans = solve(
        batch, fleet.buy, fleet.sell, adder=table, kind=row, threads=fleet.threads, stride=STRIDE, want_soc=want_soc
    )
    fleet.passes += 1
    plans.cost -= (adder[row] * plans.power[:, rows.watch]).sum(axis=1) * rows.slot_hours
    if rounded is not None and len(rounded.split):
        _split(fleet, found, rounded, plans)
    return plans


def _tables(found: Coordinated) -> tuple[Floats, Ints]:
    """All prices stored plans were made at, one under the other, and where each pass's begin."""
    tables = [prices.adder for prices in found.search.prices]
    return np.concatenate(tables), np.cumsum([0, *(len(table) for table in tables)])


def _rows(found: Coordinated, offsets: Ints, pick: Ints) -> Ints:
    """The row of each busy car's price where it takes plan `pick`."""
    rows = np.stack([prices.row for prices in found.search.prices])
    return offsets[pick] + rows[pick, np.arange(len(pick))]


def _split(fleet: Fleet, found: Coordinated, rounded: Rounded, plans: Plans) -> None:
    """Give the few split cars the mixture of their plans: a battery may follow the mean of two trajectories."""
    batch, rows = fleet.batch, fleet.coupling
    is_climber = batch.climbers.place[found.busy] >= 0 if len(batch.climbers.place) else np.zeros(len(found.busy), bool)
    split = rounded.split[~is_climber[rounded.split]]
    cars = found.busy[split]
    adder, offsets = _tables(found)
    table = rows.spread(adder, batch.slots)
    soc = np.zeros((len(cars), batch.slots + 1))
    for k in range(found.search.columns.used):
        row = np.zeros(len(batch), dtype=np.int64)
        row[cars] = offsets[k] + found.search.prices[k].row[split]
        made = solve(batch, fleet.buy, fleet.sell, adder=table, kind=row, which=cars, stride=STRIDE)
        soc += rounded.share[k, split][:, None] * made.soc
    few = take(batch, cars)
    mixed = plans_of_steps(few, fleet.buy, fleet.sell, np.diff(soc, axis=1) + few.drive)
    plans.power[cars], plans.cost[cars] = mixed.power, mixed.cost
    if len(plans.soc):
        plans.soc[cars] = mixed.soc


def take(batch: Batch, cars: Ints) -> Batch:
    """Pick some cars out of a batch; what only planning needs is left behind."""
    names = (
        "slot_hours", "start", "charge_kw", "discharge_kw", "charge_efficiency", "discharge_efficiency", "wear",
        "end_value", "plugged", "lower", "upper", "drive", "is_cut", "row",
    )  # fmt: skip
    return replace(batch, **{name: getattr(batch, name)[cars] for name in names})
