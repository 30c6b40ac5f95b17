"""Limits that cars keep together, as rows over slots: read from docs/planner-format.md's JSON, checked, in arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.planner.batch import Ints
from grid.planner.problem import LARGEST, Floats

NEAR = 1e-3  # of a limit: within it the limit is met


class LimitsError(ValueError):
    """Limits that break the format."""


@dataclass(frozen=True, slots=True)
class Coupling:
    """E rows `sign * (net power of the cars covered) <= sign * limit`, one for each limit, slot and side.

    Cars under the same limits are of one kind: `kind` [N] numbers them, `covers` [E, C] says which kinds a row sums.
    `watch` [S] are the slots under any limit, `place` [E] each row's among them. A dual `price` [E] in currency per kWh
    is what one kWh less in a row is worth.
    """

    slot_hours: float
    watch: Ints
    kind: Ints
    covers: NDArray[np.bool_]
    place: Ints
    sign: Floats
    limit: Floats

    def __len__(self) -> int:
        return len(self.limit)

    @property
    def kinds(self) -> int:
        """Number of kinds C."""
        return int(self.covers.shape[1])

    def adder(self, price: Floats) -> Floats:
        """What the price of the rows adds to the prices of each kind in each watched slot, [C, S]."""
        adder = np.zeros((self.kinds, len(self.watch)))
        for row in np.flatnonzero(price):
            adder[self.covers[row], self.place[row]] += self.sign[row] * price[row]
        return adder

    def spread(self, adder: Floats, slots: int) -> Floats:
        """Put a [C, S] adder over the watched slots into [C, T]."""
        full = np.zeros((len(adder), slots))
        full[:, self.watch] = adder
        return full

    def net(self, power: Floats) -> Floats:
        """Sum watched power [N, S] of the cars over each row, kW."""
        return self.net_of_kinds(self.by_kind(power))

    def by_kind(self, power: Floats) -> Floats:
        """Sum watched power [N, S] over the cars of each kind, [C, S]."""
        sums = np.zeros((self.kinds, power.shape[1]))
        np.add.at(sums, self.kind, power)
        return sums

    def net_of_kinds(self, sums: Floats) -> Floats:
        """Sum what each kind does in each watched slot over each row, kW."""
        return np.asarray(np.einsum("ec,ce->e", self.covers.astype(np.float64), sums[:, self.place]))

    def over(self, net: Floats) -> Floats:
        """How far each row's net power is beyond its limit, kW; negative where there is room."""
        return self.sign * (net - self.limit)

    def is_met(self, net: Floats) -> bool:
        """Whether every row is within 0.1 % of its limit."""
        return bool((self.over(net) <= NEAR * np.abs(self.limit) + 1e-6).all())


def read_limits(raw: object, ids: Sequence[str], slots: int, slot_hours: float) -> Coupling:
    """Read limits for cars of these ids.

    Raises:
        LimitsError: naming what is wrong.
    """
    limits = raw.get("limits") if isinstance(raw, Mapping) else None
    if not isinstance(limits, Sequence) or isinstance(limits, str):
        raise LimitsError("limits: is no list")
    groups: list[NDArray[np.bool_]] = []
    rows: list[tuple[int, int, float, float]] = []
    for number, limit in enumerate(limits):
        key = f"limits[{number}]"
        if not isinstance(limit, Mapping):
            raise LimitsError(f"{key}: is no object")
        groups.append(_members(key, limit.get("vehicles"), ids))
        sides = [(sign, _kw(key, limit, side)) for side, sign in (("max_net_kw", 1.0), ("min_net_kw", -1.0))]
        if all(kw is None for _, kw in sides):
            raise LimitsError(f"{key}: has neither max_net_kw nor min_net_kw")
        for slot in _slots(key, limit.get("slots"), slots):
            rows += [(number, slot, sign, kw) for sign, kw in sides if kw is not None]
    return _coupling(np.array(groups).reshape(len(groups), len(ids)), rows, slot_hours)


def _coupling(members: NDArray[np.bool_], rows: Sequence[tuple[int, int, float, float]], slot_hours: float) -> Coupling:
    kinds, kind = members[:, :1], np.zeros(members.shape[1], dtype=np.int64)
    if len(members):
        kinds, found = np.unique(members, axis=1, return_inverse=True)
        kind = np.asarray(found, dtype=np.int64).reshape(-1)
    watch = np.unique([slot for _, slot, _, _ in rows]).astype(np.int64)
    return Coupling(
        slot_hours=slot_hours,
        watch=watch,
        kind=kind,
        covers=kinds[np.array([group for group, _, _, _ in rows], dtype=np.int64)],
        place=np.searchsorted(watch, [slot for _, slot, _, _ in rows]).astype(np.int64),
        sign=np.array([sign for _, _, sign, _ in rows]),
        limit=np.array([kw for _, _, _, kw in rows]),
    )


def _members(key: str, vehicles: object, ids: Sequence[str]) -> NDArray[np.bool_]:
    if vehicles == "all":
        return np.ones(len(ids), dtype=bool)
    if not isinstance(vehicles, Sequence) or isinstance(vehicles, str):
        raise LimitsError(f'{key}.vehicles: is neither a list of ids nor "all"')
    if not all(isinstance(name, str) for name in vehicles):
        raise LimitsError(f"{key}.vehicles: holds something that is no id")
    unknown = set(vehicles) - set(ids)
    if unknown:
        raise LimitsError(f"{key}.vehicles: there is no problem {min(unknown)!r}")
    wanted = set(vehicles)
    return np.array([name in wanted for name in ids], dtype=bool)


def _slots(key: str, raw: object, slots: int) -> list[int]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise LimitsError(f"{key}.slots: is no list")
    for slot in raw:
        if isinstance(slot, bool) or not isinstance(slot, int) or not 0 <= slot < slots:
            raise LimitsError(f"{key}.slots: {slot!r} is no slot from 0 to {slots - 1}")
    return sorted(set(raw))


def _kw(key: str, limit: Mapping[str, object], side: str) -> float | None:
    value = limit.get(side)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise LimitsError(f"{key}.{side}: is no finite number")
    return float(value)
