"""What each kWh missing costs owners who may leave early, for many cars: `planner.hedge`, compiled; no Django."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from grid.arrays.slots import SLOT_MINUTES
from grid.planner.compiled import compiled
from grid.planner.hedge import PRIOR_DEPARTURES, PRIOR_EARLY, PRIOR_MINUTES, SPREAD_MINUTES
from grid.planner.problem import Floats

Ints = NDArray[np.int64]


@lru_cache(maxsize=512)
def prior_of(usual: tuple[int, ...], slots: int) -> Floats:
    """Return what other owners' departures count for [slots + 2]: those not early, then those before each edge.

    Edges are counted in slots before the announced departure. Without other owners it is the usual share of early ones.
    """
    out = np.zeros(slots + 2)
    write_prior(np.array(usual, dtype=np.float64), out)
    return out


@compiled
def share_before(minutes: float, edge: int) -> float:
    """Return how much of a departure so many minutes early falls before an edge, spread by SPREAD_MINUTES."""
    away = min(1.0, max(-1.0, (edge * SLOT_MINUTES - minutes) / SPREAD_MINUTES))
    return 0.5 * (1.0 + away) ** 2 if away < 0.0 else 1.0 - 0.5 * (1.0 - away) ** 2


@compiled
def write_prior(usual: Floats, out: Floats) -> None:
    """Write what `prior_of` returns."""
    if usual.shape[0] == 0:
        out[0] = PRIOR_DEPARTURES * (1.0 - PRIOR_EARLY)
        for edge in range(out.shape[0] - 1):
            out[edge + 1] = PRIOR_DEPARTURES * PRIOR_EARLY * -np.exp(-edge * SLOT_MINUTES / PRIOR_MINUTES)
        return
    weight = PRIOR_DEPARTURES / usual.shape[0]
    for minutes in usual:
        if minutes <= 0.0:
            out[0] += weight
            continue
        for edge in range(out.shape[0] - 1):
            out[edge + 1] += weight * share_before(minutes, edge)
        out[0] += weight * share_before(minutes, 0)


@compiled
def fear_early(  # noqa: PLR0917 - compiled code takes its arrays by position
    plugged: Floats, departure: int, minutes_early: Floats, prior: Floats, price: float, out: Floats
) -> None:
    """Write the price of each kWh missing at each boundary [T+1] of the stay that ends with slot `departure`.

    It is `price` times the chance of leaving then: `hedge.departure_chances` for one car after the other, compiled.
    `prior` is what `prior_of` returns.
    """
    begin = departure
    while begin > 0 and plugged[begin - 1] != 0.0:
        begin -= 1
    slots = departure - begin
    if slots <= 0:
        return
    before = prior[1 : slots + 2].copy()
    here = prior[0]
    for minutes in minutes_early:
        if minutes <= 0.0:
            here += 1.0
            continue
        for edge in range(slots + 1):
            before[edge] += share_before(minutes, edge)
        here += share_before(minutes, 0)
    here += before[slots] - before[0]
    for early in range(1, slots):
        out[departure - early] = price * (before[early] - before[early - 1]) / max(here, 1e-9)


@compiled
def fear_all(  # noqa: PLR0917 - compiled code takes its arrays by position
    plugged: Floats, departure: Ints, seen: tuple[Floats, Ints], priors: tuple[Floats, Ints], price: Floats, out: Floats
) -> None:
    """Write what each car's early departures cost; see `fear_early`. `seen` and `priors` are those of Cautious."""
    early, edges = seen
    for i in range(out.shape[0]):
        if departure[i] > 0:
            fear_early(
                plugged[i], departure[i], early[edges[i] : edges[i + 1]], priors[0][priors[1][i]], price[i], out[i]
            )
