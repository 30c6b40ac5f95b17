"""Feeders and transformers that cars share: what their cars may draw together, in plans and from minute to minute.

The order is that of safety: whoever must charge for minimum or departure does, as does a car that cannot be held or
whose owner said "charge now"; the others share what the wires carry beside that, those that leave sooner first. Where
even those that must charge are too many, nobody can keep the cap: it is written down, and staff are told.
"""

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from foundation.refusals import Refusal
from grid.arrays.bulk import Made, plan_nights
from grid.arrays.packing import unpack_plan
from grid.arrays.problems import Night
from grid.flows.dispatch import tending
from grid.flows.dispatch.moments import Around, moment_of
from grid.flows.plans.cars import CarNow, load_cars
from grid.models import Enrollment, Feeder, Plan, Site, Utility
from grid.rules import steering
from grid.rules.wishes import MAX_PLAN_AGE
from vehicles.models import Vehicle

logger = logging.getLogger(__name__)

# Currency per kWh that charging in a full slot is taken to cost: more than any price, less than a missed departure.
PRESSURE = 20.0
ROUNDS = 20
NEVER = datetime.max.replace(tzinfo=UTC)
WATTS_PER_KW = 1000


class UnableToLoadFeeders(Refusal):
    """Nothing is changed: the file has to be corrected."""


class Wires:
    """Which wires each home hangs on, from its own up, and what they carry."""

    def __init__(self) -> None:
        self.rows: dict[int, Feeder] = {row.pk: row for row in Feeder.objects.all()}

    def __bool__(self) -> bool:
        return bool(self.rows)

    def above(self, feeder: int | None) -> tuple[int, ...]:
        """Return the keys of the wires from `feeder` up."""
        found: list[int] = []
        while feeder is not None and feeder in self.rows and feeder not in found:
            found.append(feeder)
            feeder = self.rows[feeder].above_id
        return tuple(found)

    def below(self, feeders: Iterable[int]) -> set[int]:
        """Return the keys of all wires that hang on these, themselves included."""
        wanted = set(feeders)
        return {key for key in self.rows if wanted.intersection(self.above(key))}


def waiting_cars(cars: Iterable[CarNow], *, now: datetime) -> frozenset[int]:
    """Return the keys of the cars that must wait, because their wires carry no more; note which carry too much."""
    own = {car.site.feeder_id for car in cars if car.site is not None} - {None}
    if not own:
        return frozenset()
    wires = Wires()
    concerned = {key for feeder in own for key in wires.above(feeder)}
    homes = Site.objects.filter(feeder__in=wires.below(concerned)).values("owner")
    members = Vehicle.objects.filter(owner__in=homes, state=Vehicle.State.ACTIVE).values_list("pk", flat=True)
    load_w = dict.fromkeys(wires.rows, 0)
    may_wait: list[tuple[datetime, int, CarNow]] = []
    for key, car in load_cars(list(members), now=now).items():
        moment = moment_of(car, now=now, around=Around())
        if moment.held_w is not None or not car.is_plugged_at_home or tending.is_full(car):
            wish = steering.decide(moment)
            if moment.held_w is None or wish.mode != steering.FREE:
                continue
        else:
            wish = steering.decide(moment)
        if wish.mode != steering.FREE:
            continue
        if moment.is_timed and wish.reason in {"plan", "absorb"}:
            may_wait.append((moment.safe_release_at or NEVER, key, car))
        else:
            _load(load_w, wires, car)
    _note(wires, concerned, load_w, now=now)
    waiting = set()
    for _, key, car in sorted(may_wait, key=lambda one: one[:2]):
        chain = wires.above(car.site.feeder_id if car.site else None)
        if all(load_w[wire] + car.charge_w <= wires.rows[wire].cap_w for wire in chain):
            _load(load_w, wires, car)
        else:
            waiting.add(key)
    return frozenset(waiting)


def _load(load_w: dict[int, int], wires: Wires, car: CarNow) -> None:
    for wire in wires.above(car.site.feeder_id if car.site else None):
        load_w[wire] += car.charge_w


def _note(wires: Wires, concerned: Iterable[int], load_w: Mapping[int, int], *, now: datetime) -> None:
    """Write down what must be drawn through each wire, and since when that is too much."""
    for key in concerned:
        row = wires.rows[key]
        is_over = load_w[key] > row.cap_w
        if is_over and row.over_since is None:
            logger.error("%s of %s: cars that must charge draw %d W of %d W", row, row.utility, load_w[key], row.cap_w)
        since = (row.over_since or now) if is_over else None
        Feeder.objects.filter(pk=key).update(load_w=load_w[key], over_since=since, looked_at=now)


def keep_caps(
    nights: Sequence[tuple[int, Night, int | None]], made: dict[int, Made], *, now: datetime
) -> dict[int, Made]:
    """Return the plans with every wire's cap kept in every slot as far as departures and minimums allow.

    `nights` are place, night and wire of each car of the sweep, `made` their plans by place. Plans of other cars on
    the same wires stand as they are. Cars that have time are moved out of slots that are full, a few rounds long;
    what is left over then must be charged, and is found again when it comes to it.
    """
    hanging = [(place, night, feeder) for place, night, feeder in nights if feeder is not None and place in made]
    if not hanging:
        return made
    wires = Wires()
    pressed: dict[int, np.ndarray] = {}
    others = _others(wires, [feeder for _, _, feeder in hanging], {night.name for _, night, _ in hanging}, now=now)
    by_place = {place: night for place, night, _ in hanging}
    for _ in range(ROUNDS):
        moved = _move(hanging, made, wires, others, pressed)
        if not moved:
            break
        again = plan_nights([replace(by_place[place], avoid=pressed[place]) for place in moved])
        made = {**made, **dict(zip(moved, again, strict=True))}
    return made


def _others(
    wires: Wires, feeders: Iterable[int | None], names: set[str], *, now: datetime
) -> dict[tuple[int, int], float]:
    """Return what the plans of other cars draw through each wire in each slot (counted from 1970), W."""
    concerned = {key for feeder in feeders for key in wires.above(feeder)}
    homes = dict(Site.objects.filter(feeder__in=wires.below(concerned)).values_list("owner", "feeder"))
    plans = Plan.objects.filter(vehicle__owner__in=homes, is_current=True, made_at__gt=now - MAX_PLAN_AGE)
    load: dict[tuple[int, int], float] = {}
    for plan in plans.exclude(vehicle__public_id__in=names).select_related("vehicle"):
        first = int(plan.starts_at.timestamp()) // (plan.slot_minutes * 60)
        for slot, kw in enumerate(plan.solution["power_kw"]):
            if kw > 0:
                for wire in wires.above(homes[plan.vehicle.owner_id]):
                    load[wire, first + slot] = load.get((wire, first + slot), 0.0) + kw * WATTS_PER_KW
    return load


def _move(
    hanging: Sequence[tuple[int, Night, int | None]],
    made: Mapping[int, Made],
    wires: Wires,
    others: Mapping[tuple[int, int], float],
    pressed: dict[int, np.ndarray],
) -> list[int]:
    """Press cars out of slots that are over their wire's cap, those that leave last first; return their places."""
    draws: dict[tuple[int, int], list[tuple[float, int, int, float]]] = {}
    load = dict(others)
    for place, night, feeder in hanging:
        _, solution, _ = unpack_plan(made[place].packed)
        leaves = night.departure_slots[0] if night.departure_slots else night.slots.count
        for slot, kw in enumerate(solution["power_kw"]):
            if kw <= 0:
                continue
            for wire in wires.above(feeder):
                at = (wire, night.slots.number + slot)
                load[at] = load.get(at, 0.0) + kw * WATTS_PER_KW
                draws.setdefault(at, []).append((leaves - slot, place, slot, kw * WATTS_PER_KW))
    moved: set[int] = set()
    for (wire, number), watts in load.items():
        over = watts - wires.rows[wire].cap_w
        for _, place, slot, own in sorted(draws.get((wire, number), ()), reverse=True):
            if over <= 0:
                break
            mask = pressed.setdefault(place, np.zeros(next(n.slots.count for p, n, _ in hanging if p == place)))
            if mask[slot] == 0.0:
                mask[slot] = PRESSURE
                moved.add(place)
            over -= own
    return sorted(moved)


def load_feeders(*, utility: Utility, text: str, now: datetime) -> tuple[int, int]:
    """Take a utility's file of wires and of who hangs on them; return how many wires and homes it names.

    Columns: `feeder`, `kind` (feeder or transformer), `cap_kw`, `above` (the wire above it, or empty), `enrollment`
    (our number of an enrolled car, or empty). All of it or, with UnableToLoadFeeders naming the line, nothing.
    """
    lines = list(csv.DictReader(io.StringIO(text)))
    needed = {"feeder", "kind", "cap_kw", "above", "enrollment"}
    if not lines or not needed.issubset(lines[0]):
        raise UnableToLoadFeeders(f"The first line names the columns {', '.join(sorted(needed))}.", code="no_columns")
    with transaction.atomic():
        wires = {}
        for number, line in enumerate(lines, start=2):
            name = (line["feeder"] or "").strip()[:60]
            if name and name not in wires:
                wires[name] = _wire(utility, name, line, number)
        for number, line in enumerate(lines, start=2):
            above = (line["above"] or "").strip()
            if above and above not in wires:
                raise UnableToLoadFeeders(f"Line {number}: there is no feeder {above!r} in the file.", code="no_above")
            if above:
                Feeder.objects.filter(pk=wires[line["feeder"].strip()].pk).update(above=wires[above])
        homes = [_hang(utility, wires, line, number) for number, line in enumerate(lines, start=2)]
    logger.info("%s: %d feeders, %d homes, %s", utility, len(wires), sum(homes), now)
    return len(wires), sum(homes)


def _wire(utility: Utility, name: str, line: Mapping[str, str], number: int) -> Feeder:
    try:
        cap_w = round(float(line["cap_kw"]) * WATTS_PER_KW)
    except (TypeError, ValueError) as error:
        raise UnableToLoadFeeders(f"Line {number}: cap_kw is no number.", code="bad_cap") from error
    if line["kind"] not in Feeder.Kind.values or not 0 < cap_w <= 10**9:
        raise UnableToLoadFeeders(
            f"Line {number}: kind is feeder or transformer, cap_kw above 0 and at most 1,000,000.", code="bad_wire"
        )
    values = {"kind": line["kind"], "cap_w": cap_w, "above": None}
    return Feeder.objects.update_or_create(utility=utility, name=name, defaults=values)[0]


def _hang(utility: Utility, wires: Mapping[str, Feeder], line: Mapping[str, str], number: int) -> int:
    told = (line["enrollment"] or "").strip()
    if not told:
        return 0
    try:
        found = Enrollment.objects.filter(Q(public_id=told), program__utility=utility, ended_at=None).first()
    except (ValueError, ValidationError) as error:
        raise UnableToLoadFeeders(f"Line {number}: {told[:40]!r} is no enrolment.", code="bad_enrollment") from error
    if found is None:
        raise UnableToLoadFeeders(f"Line {number}: no car of yours is enrolled as {told[:40]!r}.", code="unknown")
    return Site.objects.filter(pk=found.site_id).update(feeder=wires[line["feeder"].strip()])
