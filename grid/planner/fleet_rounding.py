"""From a mixture of stored plans to one plan a car: vector balancing, then a small programme that polishes the rest."""

from dataclasses import dataclass

import numpy as np

from grid.planner.batch import Ints
from grid.planner.fleet_columns import Coordinated, Fleet
from grid.planner.fleet_lp import coupled_programme, solved
from grid.planner.kernel_fleet import balance
from grid.planner.problem import Floats

DECIDED = 0.995  # a car with this share of one plan gets it
POLISHED = 800  # cars whose plans the last programme may mix anew
NO_PRICE = 1e-4  # of the prices' range: a limit of that price has room


@dataclass(slots=True)
class Rounded:
    """One stored plan for each busy car, `pick` [B], but for the few in `split`, which mix theirs by `share` [K, B]."""

    pick: Ints
    split: Ints
    share: Floats


def round_mixture(fleet: Fleet, found: Coordinated) -> Rounded:
    """Give each busy car one of its plans so that the sums follow the mixture, and make good what that misses."""
    search, rows = found.search, fleet.coupling
    assert search.mixture is not None
    columns, share = search.columns, search.mixture.shares
    pick = share.argmax(axis=0)
    open_cars = np.flatnonzero(share.max(axis=0) < DECIDED)
    net = columns.net[: columns.used]
    off = np.zeros((rows.kinds, len(rows.watch)))
    closed = np.flatnonzero(share.max(axis=0) >= DECIDED)
    for k in range(columns.used):  # what decided cars do beyond their share of the mixture
        gone = (pick[closed] == k) - share[k, closed]
        some = np.flatnonzero(gone)
        np.add.at(off, columns.kind[closed[some]], (gone[some] * net[k][:, closed[some]]).T)
    off += _missed(fleet, found)
    dice = np.random.default_rng(len(pick))
    balance(dice.permutation(open_cars), columns.used, share, net, columns.kind, off, pick)
    return _polish(fleet, found, pick, open_cars, dice)


def _missed(fleet: Fleet, found: Coordinated) -> Floats:
    """What the mixture itself is beyond the limits that have a price, shared out over the kinds of cars, [C, S]."""
    rows, mixture = fleet.coupling, found.search.mixture
    assert mixture is not None
    missed = np.zeros((rows.kinds, len(rows.watch)))
    size = np.diff(found.search.columns.edges).astype(np.float64)
    for row in np.flatnonzero(mixture.price > NO_PRICE * fleet.price_range):
        part = rows.covers[row] * size
        missed[:, rows.place[row]] += rows.sign[row] * mixture.over[row] * part / max(part.sum(), 1.0)
    return missed


def _polish(fleet: Fleet, found: Coordinated, pick: Ints, open_cars: Ints, dice: np.random.Generator) -> Rounded:
    """Choose anew among the stored plans of a few cars, mixtures allowed, so that the rows are kept at least cost.

    At a vertex of the programme no more cars are split than there are rows.
    """
    columns, rows = found.search.columns, fleet.coupling
    cars = dice.permutation(open_cars)[:POLISHED]
    others = np.setdiff1d(np.arange(len(pick)), cars)
    cars = np.concatenate([cars, dice.permutation(others)[: POLISHED - len(cars)]])
    used, count = columns.used, len(cars)
    net = columns.net[:used][:, :, cars].astype(np.float64)  # [K, S, m]
    now = columns.net[pick, :, np.arange(len(pick))].astype(np.float64)
    base = columns.fixed.copy()
    np.add.at(base, columns.kind, now)
    np.subtract.at(base, columns.kind[cars], now[cars])
    room = rows.limit - rows.net_of_kinds(base)
    share = solved(coupled_programme(
        cost=columns.cost[:used][:, cars].T.ravel(),
        member=np.repeat(np.arange(count), used),
        members=count,
        power=_rows_of(net, columns.kind[cars], fleet),
        room=rows.sign * room,
        excess_cost=fleet.ceiling * rows.slot_hours,
    ))[: count * used].reshape(count, used).T  # fmt: skip
    full = np.zeros((used, len(pick)))
    full[pick, np.arange(len(pick))] = 1.0
    full[:, cars] = share
    pick = full.argmax(axis=0)
    split = np.flatnonzero(full.max(axis=0) < 1.0 - 1e-7)
    return Rounded(pick, split, full)


def _rows_of(net: Floats, kind: Ints, fleet: Fleet) -> Floats:
    """What each stored plan [K, S, m] of some cars adds to each row, [E, m * K]."""
    rows = fleet.coupling
    part = net[:, rows.place] * (rows.covers[:, kind] * rows.sign[:, None])  # [K, E, m]
    return np.ascontiguousarray(part.transpose(1, 2, 0)).reshape(len(rows), -1)
