"""Many cars under shared limits: column generation with every car its own block.

A pass plans every car under the current prices of the limits; it gives each car one more plan to mix and, by weak
duality, a lower bound on the cost of any plans that keep the limits. The master (`fleet_master.py`) mixes all stored
plans and proposes the next prices. A random sample of cars calibrates the prices first, so that the whole fleet needs
few passes; cars that already do all they can without a price are left out of them.
"""

from dataclasses import dataclass, field

import numpy as np

from grid.planner.batch import Batch, Ints, solve
from grid.planner.fleet_limits import Coupling
from grid.planner.fleet_master import Columns, Mixture, mix
from grid.planner.problem import Floats

SAMPLE = 3000  # cars that calibrate the prices
SAMPLE_PASSES = 30
FULL_PASSES = 16
SCATTERED = 2  # passes of the whole fleet under scattered prices
SCATTERS = 64  # price vectors in each
SPANS = (0.01, 0.03, 0.1)  # how far they are scattered, of the prices' range
GAP = 6e-4  # of the event's cost: the rest of a thousandth is for rounding
CALIBRATED_GAP = 0.1  # what to expect of the whole fleet under the sample's prices
MISSED = 0.02  # how much of what the mixture misses the limits by rounding leaves behind
CALIBRATED_RADIUS = 0.1  # of the prices' range: how far from them its own prices should be
STRIDE = 8  # how coarsely cars below their reserve look for their slot
LEAST_COST = 0.01  # currency: events cheaper than that are not worth a finer proof
FIRST_PRICES = (0.15, 0.5, 1.5, 5.0)  # of the prices' range


@dataclass(slots=True)
class Fleet:
    """N cars, their prices and the limits they keep together; `passes` counts cars planned, in fleets."""

    batch: Batch
    buy: Floats
    sell: Floats
    coupling: Coupling
    ceiling: float
    threads: int = 1
    passes: float = 0.0

    @property
    def price_range(self) -> float:
        """The range of import prices: the natural size of a price that moves a car to another slot."""
        return float(np.ptp(self.buy)) or 0.1

    def plan(self, prices: "Prices", which: Ints) -> tuple[Floats, Floats, Floats]:
        """Plan some cars; returns their own cost, its bound under the prices, and their watched power."""
        rows = self.coupling
        row = np.zeros(len(self.batch), dtype=np.int64)
        row[which] = prices.row
        plans = solve(
            self.batch, self.buy, self.sell, adder=rows.spread(prices.adder, self.batch.slots), kind=row, which=which,
            watch=rows.watch, threads=self.threads, stride=STRIDE, want_soc=False,
        )  # fmt: skip
        self.passes += len(which) / len(self.batch)
        paid = np.einsum("ns,ns->n", plans.power, prices.adder[prices.row]) * rows.slot_hours
        return plans.cost - paid, plans.bound, plans.power


@dataclass(frozen=True, slots=True)
class Prices:
    """What cars pay on top in the watched slots: car j of some pays adder[row[j]], of [R, S]."""

    adder: Floats
    row: Ints

    @classmethod
    def common(cls, price: Floats, rows: Coupling, which: Ints) -> "Prices":
        """Every car pays the same price of each row that covers it."""
        return cls(rows.adder(price), rows.kind[which])

    @classmethod
    def scattered(
        cls, price: Floats, rows: Coupling, which: Ints, spans: Floats, dice: np.random.Generator
    ) -> "Prices":
        """Each car pays one of many prices scattered around `price`, `spans` far.

        Cars alike but for that choose differently, so that plans between which a common price decides for all of them
        at once are both in stock. What such a pass finds are plans to mix; it proves no bound.
        """
        tables = [
            rows.adder(np.maximum(price + span * dice.uniform(-1.0, 1.0, len(price)), 0.0)) for span in spans
        ]  # fmt: skip
        return cls(np.concatenate(tables), dice.integers(len(spans), size=len(which)) * rows.kinds + rows.kind[which])


@dataclass(slots=True)
class Search:
    """What column generation knows about some cars; those of kind c stand for `columns.weight[c]` each.

    `fixed_cost` and `fixed_bound` are of the cars that do the same whatever the price. `best` is the highest lower
    bound proved so far, at `best_price`; `gap` is how far the last mixture was from it, `expected` what the
    event should cost; the master's prices keep within `radius` of the best.
    """

    fleet: Fleet
    which: Ints
    columns: Columns
    fixed_cost: float
    fixed_bound: float
    prices: list[Prices] = field(default_factory=list)
    best: float = -np.inf
    best_price: Floats = field(default_factory=lambda: np.empty(0))
    mixture: Mixture | None = None
    warmth: float = 0.0
    gap: float = 1.0
    expected: float = 0.0
    radius: float = 0.0

    def visit(self, price: Floats) -> bool:
        """Plan the cars under a price and store the plans; returns whether that proved a higher bound."""
        return self.store(price, *self.fleet.plan(Prices.common(price, self.fleet.coupling, self.which), self.which))

    def store(self, price: Floats, own: Floats, bound: Floats, net: Floats) -> bool:
        """Store plans made under a price; returns whether they prove a higher bound."""
        rows = self.fleet.coupling
        self.columns.add(own, net)
        self.prices.append(Prices.common(price, rows, self.which))
        proved = float(bound @ self.columns.weight[self.columns.kind]) + self.fixed_bound
        proved += rows.slot_hours * float((rows.adder(price) * self.columns.fixed).sum())
        proved -= rows.slot_hours * float((rows.sign * price) @ rows.limit)
        if proved <= self.best:
            return False
        self.best, self.best_price = proved, price
        return True

    def scatter(self, price: Floats, dice: np.random.Generator) -> None:
        """Plan the cars under prices scattered around one and store the plans."""
        spans = np.resize(SPANS, SCATTERS) * self.fleet.price_range
        prices = Prices.scattered(price, self.fleet.coupling, self.which, spans, dice)
        own, _, net = self.fleet.plan(prices, self.which)
        self.columns.add(own, net)
        self.prices.append(prices)

    def mix(self, free: float) -> float:
        """Mix the stored plans; returns the gap to the best bound relative to what the event costs above `free`.

        The master cools no further than the gap deserves: while plans are missing, a sharp mixture of the wrong ones is
        no better than a soft one and far harder to find.
        """
        scale = max(self.best - free, self.expected, LEAST_COST)
        cars = self.columns.cars
        cold = max(0.1 * self.gap, GAP) * scale / cars
        self.warmth = max(self.warmth, cold) if self.mixture is None else self.warmth
        start = self.best_price if self.mixture is None else self.mixture.price
        self.mixture = mix(
            self.columns, self.fleet.coupling, start, low=np.maximum(self.best_price - self.radius, 0.0),
            high=np.minimum(self.best_price + self.radius, self.fleet.ceiling), warm=self.warmth,
            cold=min(cold, self.warmth), close=0.1 * cold * cars, reach=self.fleet.price_range,
        )  # fmt: skip
        self.warmth = min(cold, self.warmth)
        dear = self.mixture.price + 0.1 * self.fleet.price_range
        missed = float(np.maximum(self.mixture.over, 0.0) @ dear) * self.fleet.coupling.slot_hours
        self.gap = min(1.0, max(self.mixture.dual + self.fixed_cost - self.best, MISSED * missed) / scale)
        return self.gap

    def converge(self, free: float, passes: int, *, target: float = GAP) -> float:
        """Visit the prices the master proposes, not further than `radius` from the best, until the gap is closed."""
        gap = self.mix(free)
        for _ in range(passes):
            if gap <= target or self.columns.is_full:
                break
            assert self.mixture is not None
            trial = np.where(self.mixture.price < 1e-4 * self.fleet.price_range, 0.0, self.mixture.price)
            is_at_edge = bool((np.abs(trial - self.best_price) > 0.9 * self.radius).any())
            if not self.visit(trial):
                self.radius *= 0.5
            elif is_at_edge:
                self.radius *= 2.0
            gap = self.mix(free)
        return gap


@dataclass(slots=True)
class Coordinated:
    """What the search found: the busy cars' stored plans, the shares to mix, and what is proved."""

    search: Search
    busy: Ints
    solo_bound: Floats
    free_cost: float
    gap: float


def coordinate(fleet: Fleet) -> Coordinated:
    """Find prices of the limits and a mixture of plans that keeps them, within a proved GAP of the event's cost."""
    rows = fleet.coupling
    everyone = np.arange(len(fleet.batch))
    none = np.zeros(len(rows))
    own, bound, net = fleet.plan(Prices.common(none, rows, everyone), everyone)
    free = float(own.sum())
    violated = (rows.over(rows.net(net)) > 0.0).astype(np.float64)
    busy = _busy(fleet, net) if violated.any() else everyone[:0]
    is_idle = np.ones(len(everyone), dtype=bool)
    is_idle[busy] = False
    idle = np.flatnonzero(is_idle)
    fixed = np.zeros((rows.kinds, len(rows.watch)))
    np.add.at(fixed, rows.kind[idle], net[idle])
    weight = np.ones(rows.kinds)
    columns = Columns.of(rows.kind[busy], weight, fixed, SCATTERED + FULL_PASSES + 2 if len(busy) > 2 * SAMPLE else 60)
    search = Search(fleet, busy, columns, float(own[idle].sum()), float(bound[idle].sum()))
    search.store(none, own[busy], bound[busy], net[busy])
    if not len(busy):
        return Coordinated(search, busy, bound, free, 0.0)
    unit = fleet.price_range
    if len(busy) > 2 * SAMPLE:
        price, search.expected = _calibrate(search, (own, bound, net), violated)
        search.visit(price)
        dice = np.random.default_rng(len(busy))
        for _ in range(SCATTERED):
            search.scatter(price, dice)
        search.gap = CALIBRATED_GAP
        search.radius = CALIBRATED_RADIUS * unit
        gap = search.converge(free, FULL_PASSES)
    else:
        for size in FIRST_PRICES:
            search.visit(violated * size * unit)
        search.radius = unit
        gap = search.converge(free, SAMPLE_PASSES)
    return Coordinated(search, busy, bound, free, gap)


def _busy(fleet: Fleet, net: Floats) -> Ints:
    """The cars a price could move: not those that, without one, already draw the least, or the most, they can.

    A car whose rows only ask for less net power and that already draws as little as it can in each of their slots does
    best by the same plan under any price: every other plan costs more by itself and saves nothing.
    """
    rows, batch = fleet.coupling, fleet.batch
    plugged = batch.plugged[:, rows.watch]
    least, most = -batch.discharge_kw[:, None] * plugged, batch.charge_kw[:, None] * plugged
    asks_less = np.zeros((rows.kinds, len(rows.watch)), dtype=bool)
    asks_more = asks_less.copy()
    for row in range(len(rows)):
        (asks_less if rows.sign[row] > 0 else asks_more)[rows.covers[row], rows.place[row]] = True
    could_less = asks_less[rows.kind] & (net > least + 1e-9)
    could_more = asks_more[rows.kind] & (net < most - 1e-9)
    mixed = np.logical_and(asks_less.any(axis=1), asks_more.any(axis=1))[rows.kind]
    busy = np.flatnonzero(could_less.any(axis=1) | could_more.any(axis=1) | mixed)
    return busy[np.argsort(rows.kind[busy], kind="stable")]


def _calibrate(whole: Search, free: tuple[Floats, Floats, Floats], violated: Floats) -> tuple[Floats, float]:
    """Solve for a random sample of the busy cars; returns the price found and what the event costs at it.

    `free` is what `Fleet.plan` returned for all cars without a price.
    """
    fleet, busy, rows = whole.fleet, whole.which, whole.fleet.coupling
    own, bound, net = free
    kinds, counts = np.unique(rows.kind[busy], return_counts=True)
    dice = np.random.default_rng(len(busy))
    weight = np.ones(rows.kinds)
    chosen = []
    for kind, count in zip(kinds, counts, strict=True):
        size = max(1, round(SAMPLE * count / len(busy)))
        chosen.append(dice.choice(busy[rows.kind[busy] == kind], size, replace=False))
        weight[kind] = count / size
    which = np.concatenate(chosen)
    columns = Columns.of(rows.kind[which], weight, whole.columns.fixed, len(FIRST_PRICES) + SAMPLE_PASSES + 1)
    search = Search(fleet, which, columns, whole.fixed_cost, whole.fixed_bound)
    search.store(np.zeros(len(rows)), own[which], bound[which], net[which])
    unit = fleet.price_range
    for size in FIRST_PRICES:
        search.visit(violated * size * unit)
    sampled_free = whole.fixed_cost + float(own[which] @ weight[rows.kind[which]])
    search.radius = unit
    search.converge(sampled_free, SAMPLE_PASSES)
    assert search.mixture is not None
    return search.mixture.price, search.best - sampled_free
