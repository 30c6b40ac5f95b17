"""The price of shared limits, from stored plans: a smoothed dual maximised by Newton's method along a barrier.

With K stored plans a car, the best mixture of them under the limits is a linear programme of millions of columns. Its
dual has only as many variables as there are limit rows: maximise over prices low <= p <= high the sum over cars of the
least `cost + p * net` of their stored plans, minus `p * limit`. That is concave but kinked wherever a car changes its
mind. Replacing each minimum by a soft one (temperature `warmth`, a cost) and the bounds on p by a logarithmic barrier
makes it smooth; its gradient is how far the mixture of soft shares misses the limits, so that at the maximum the
mixture keeps them exactly. Cooling both step by step follows the maximum to that of the linear programme.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.planner.batch import Ints
from grid.planner.fleet_limits import Coupling
from grid.planner.kernel_fleet import soft_mixture
from grid.planner.problem import Floats

COOLING = 0.1
STEPS_PER_COOLING = 3
SPREAD_CARS = 8000  # cars enough to estimate the curvature from
TRIES = 8  # of a step, each damped tenfold more
SWINGERS = 1000  # cars enough to know by how much they swing
BOUNDARY = 0.9  # of the way to the edge of the prices a step may go


@dataclass(slots=True)
class Columns:
    """Stored plans of N cars, sorted by kind: cost without shared prices [K, N] and watched power [K, S, N].

    The first `used` plans count. Cars edges[c]:edges[c+1] are of kind c and stand for `weight[c]` cars each; `fixed`
    [C, S] is what the cars not listed do whatever the price.
    """

    cost: Floats
    net: NDArray[np.float32]
    kind: Ints
    edges: Ints
    weight: Floats
    fixed: Floats
    used: int = 0

    @classmethod
    def of(cls, kind: Ints, weight: Floats, fixed: Floats, room: int) -> "Columns":
        """Make room for `room` plans of each car; `kind` [N] ascends."""
        edges = np.searchsorted(kind, np.arange(len(weight) + 1)).astype(np.int64)
        # Half the memory traffic of the master's every look; what is rounded off is made good by planning again.
        net = np.empty((room, fixed.shape[1], len(kind)), dtype=np.float32)
        return cls(np.empty((room, len(kind))), net, kind, edges, weight, fixed)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another plan."""
        return self.used == len(self.cost)

    @property
    def cars(self) -> float:
        """How many cars these stand for."""
        return float(np.diff(self.edges) @ self.weight)

    def add(self, cost: Floats, net: Floats) -> None:
        """Store one plan of every car: cost [N] and power [N, S]."""
        self.cost[self.used] = cost
        self.net[self.used] = net.T
        self.used += 1


@dataclass(slots=True)
class Mixture:
    """Where the master stopped: the price of each row, each car's shares [K, N] of its plans, how far each row is over.

    `dual` is what the stored plans alone say the fleet must cost at least, fixed cars left out.
    """

    price: Floats
    shares: Floats
    over: Floats
    dual: float


def mix(
    columns: Columns,
    coupling: Coupling,
    start: Floats,
    *,
    low: Floats,
    high: Floats,
    warm: float,
    cold: float,
    close: float,
    reach: float,
) -> Mixture:
    """Find the prices at which the soft mixture of stored plans keeps every row.

    Args:
        columns: the stored plans.
        coupling: the rows.
        start: [E] prices to start from.
        low: [E] the least prices, currency/kWh.
        high: [E] the highest: beyond them the stored plans are not to be trusted.
        warm: the temperature to start with, a cost.
        cold: the one to end with: a car mixes plans only where their costs are as close as that.
        close: how near the maximum to stop, a cost.
        reach: a change of price that moves cars to other slots, such as the range of prices.
    """
    price = np.clip(start, low + 1e-4 * (high - low), high - 1e-4 * (high - low))
    warmth = warm
    shares = np.empty((columns.used, len(columns.kind)))
    state = _Point(columns, coupling, shares, low, high, reach)
    while True:
        for _ in range(STEPS_PER_COOLING if warmth > cold else 4 * STEPS_PER_COOLING):
            price, gain = state.step(price, warmth)
            if gain < (close if warmth <= cold else 3.0 * close):
                break
        if warmth <= cold:
            break
        warmth = max(cold, warmth * COOLING)
    state.look(price, warmth)
    return Mixture(price, shares, coupling.over(coupling.net_of_kinds(state.mean)), state.dual)


class _Point:
    """The smoothed dual around one price."""

    def __init__(  # noqa: PLR0917 (all by name would say no more)
        self, columns: Columns, coupling: Coupling, shares: Floats, low: Floats, high: Floats, reach: float
    ) -> None:
        width = len(coupling.watch)
        self.columns, self.coupling, self.shares, self.low, self.high = columns, coupling, shares, low, high
        self.mean = np.empty((coupling.kinds, width))
        self.spread = np.empty((coupling.kinds, width, width))
        # The curvature of a fleet whose cars change their minds one after the other over the reach.
        swing = float(np.abs(columns.net[0, :, :SWINGERS]).mean()) + 1.0
        self.stiffness = columns.cars * coupling.slot_hours * swing / reach
        self.damping = 1e-3
        self.at: tuple[float, bytes] = (0.0, b"")
        self.value = self.dual = -np.inf
        self.every = max(1, len(columns.kind) // SPREAD_CARS)

    def look(self, price: Floats, warmth: float) -> float:
        """Evaluate soft dual and barrier at a price; leaves mean, spread and shares behind."""
        if self.at == (warmth, price.tobytes()):  # where the last step ended
            return self.value
        self.at = (warmth, price.tobytes())
        c, rows = self.columns, self.coupling
        adder = rows.adder(price) * rows.slot_hours
        minima = soft_mixture(
            c.used, c.cost, c.net, c.edges, adder, warmth, self.every, self.mean, self.spread, self.shares
        )  # fmt: skip
        self.mean *= c.weight[:, None]
        self.spread *= c.weight[:, None, None]
        self.mean += c.fixed
        rest = float((adder * c.fixed).sum()) - rows.slot_hours * float((rows.sign * price) @ rows.limit)
        self.dual = float(c.weight @ minima[:, 1]) + rest
        barrier = warmth * float(np.log(price - self.low).sum() + np.log(self.high - price).sum())
        self.value = float(c.weight @ minima[:, 0]) + rest + barrier
        return self.value

    def step(self, price: Floats, warmth: float) -> tuple[Floats, float]:
        """One damped Newton step; returns the new price and what it was expected to gain at most."""
        value = self.look(price, warmth)
        rows, above, room = self.coupling, price - self.low, self.high - price
        slope = rows.slot_hours * rows.over(rows.net_of_kinds(self.mean)) + warmth / above - warmth / room
        bend = self._bend(warmth)
        bend[np.diag_indices(len(price))] += warmth / above**2 + warmth / room**2
        for _ in range(TRIES):
            damped = bend + self.damping * self.stiffness * np.eye(len(price))
            move = np.linalg.solve(damped, slope)
            edge = np.where(move > 0, room / np.maximum(move, 1e-300), above / np.maximum(-move, 1e-300)).min()
            move *= min(1.0, BOUNDARY * float(edge))
            gain = float(slope @ move - 0.5 * move @ bend @ move)
            if self.look(price + move, warmth) >= value + 0.1 * gain:
                self.damping = max(0.2 * self.damping, 1e-9)
                return price + move, gain
            self.damping = min(10.0 * self.damping, 1e3)
        self.look(price, warmth)
        return price, 0.0  # as flat as rounding: here it stays

    def _bend(self, warmth: float) -> Floats:
        """Minus the second derivative of the soft dual, [E, E]."""
        rows = self.coupling
        full = self.spread + np.tril(self.spread, -1).transpose(0, 2, 1) if len(self.spread) else self.spread
        bend = np.zeros((len(rows), len(rows)))
        for c in range(rows.kinds):
            covered = rows.covers[:, c] * rows.sign
            bend += full[c][np.ix_(rows.place, rows.place)] * np.outer(covered, covered)
        return bend * rows.slot_hours**2 / warmth
