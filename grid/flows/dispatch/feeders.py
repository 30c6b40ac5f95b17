"""Feeders and transformers that cars share: who waits from minute to minute, so that they carry what they can.

The order is that of safety: whoever must charge for minimum or departure does, as does a car that cannot be held or
whose owner said "charge now"; the others share what the wires carry beside that, those that leave sooner first. Where
even those that must charge are too many, nobody can keep the cap: it is written down, and staff are told.
"""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from grid.flows.dispatch import tending
from grid.flows.dispatch.moments import Around, moment_of
from grid.flows.dispatch.wires import Wires
from grid.flows.plans.cars import CarNow, load_cars
from grid.models import Feeder, Site
from grid.rules import steering
from vehicles.models import Vehicle

logger = logging.getLogger(__name__)

FRESH_SECONDS = 10.0  # of real time
NEVER = datetime.max.replace(tzinfo=UTC)


class Waiting:
    """Who must wait in one sweep: cars on the same wires are looked at together, once, whichever of them is steered.

    It is looked at again once it is some seconds old, because other workers steer cars on the same wires, too.
    """

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self._wires: Wires | None = None
        self._found: dict[int, tuple[float, frozenset[int]]] = {}  # by top wire: when (monotonic), and who waits

    def among(self, cars: Iterable[CarNow]) -> frozenset[int]:
        """Return the keys of the cars that must wait on the wires of `cars`; note which wires carry too much."""
        own = {car.site.feeder_id for car in cars if car.site is not None and car.site.feeder_id is not None}
        if not own:
            return frozenset()
        if self._wires is None or own.difference(self._wires.rows):
            self._wires = Wires()
        tops = {self._wires.top(feeder) for feeder in own}
        for top in sorted(tops):
            if top not in self._found or time.monotonic() - self._found[top][0] > FRESH_SECONDS:
                self._found[top] = time.monotonic(), _waiting_below(top, self._wires, now=self.now)
        return frozenset().union(*(self._found[top][1] for top in tops))


def _waiting_below(top: int, wires: Wires, *, now: datetime) -> frozenset[int]:
    """Return who waits of all cars on the wires below `top`; note which wires carry too much."""
    below = wires.below([top])
    homes = Site.objects.filter(feeder__in=below).values("owner")
    members = Vehicle.objects.filter(owner__in=homes, state=Vehicle.State.ACTIVE).values_list("pk", flat=True)
    load_w = dict.fromkeys(below, 0)
    may_wait: list[tuple[datetime, int, CarNow]] = []
    for key, car in load_cars(list(members), now=now).items():
        moment = moment_of(car, now=now, around=Around())
        is_drawing = car.is_plugged_at_home and not tending.is_full(car)
        wish = steering.decide(moment)
        if wish.mode != steering.FREE or (moment.held_w is None and not is_drawing):
            continue
        if moment.is_timed and wish.reason == "plan":
            may_wait.append((moment.safe_release_at or NEVER, key, car))
        else:
            _add(load_w, wires, car)
    _note(wires, load_w, now=now)
    waiting = set()
    for _, key, car in sorted(may_wait, key=lambda one: one[:2]):
        if all(load_w[wire] + car.charge_w <= wires.rows[wire].cap_w for wire in _chain(wires, car)):
            _add(load_w, wires, car)
        else:
            waiting.add(key)
    return frozenset(waiting)


def _chain(wires: Wires, car: CarNow) -> tuple[int, ...]:
    return wires.above(car.site.feeder_id if car.site else None)


def _add(load_w: dict[int, int], wires: Wires, car: CarNow) -> None:
    for wire in _chain(wires, car):
        load_w[wire] += car.charge_w


def _note(wires: Wires, load_w: dict[int, int], *, now: datetime) -> None:
    """Write down what must be drawn through each wire, and since when that is too much."""
    rows = [wires.rows[key] for key in sorted(load_w)]
    for row in rows:
        is_over = load_w[row.pk] > row.cap_w
        if is_over and row.over_since is None:
            logger.error(
                "%s of %s: cars that must charge draw %d W of %d W", row, row.utility, load_w[row.pk], row.cap_w
            )
        row.load_w, row.looked_at = load_w[row.pk], now
        row.over_since = (row.over_since or now) if is_over else None
    Feeder.objects.bulk_update(rows, ["load_w", "over_since", "looked_at"], batch_size=500)
