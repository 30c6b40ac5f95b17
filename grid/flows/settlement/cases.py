"""What settlements are computed from, loaded for many cars of one event at once, a column at a time."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from grid.metering.cases import Car, Case, Reading, Stay, Window
from grid.metering.evidence import read_frozen
from grid.metering.settlement import fewer_readings, readings_needed
from grid.models import Enrollment, EventParticipation, GridEvent, Site
from grid.rows.bare import bare
from grid.rows.columns import IDENTITY, MISSING, TEXT, TIME, WHOLE, as_text, at_micros, read_columns, row_by_row
from vehicles.models import ChargeReading, PlugSession, Vehicle

READINGS_AROUND = timedelta(hours=6)
# Nearly every car was read this close to both edges of the event; only where it was not is more looked at.
READINGS_NEAR = timedelta(minutes=45)
MOST_READINGS = 2000
NEEDS_FROZEN = 2  # the first version of the baseline method that looks at what was known before notice
# The rest of a car's and a home's row is encrypted, and takes longer to read than the settlement takes.
PART = (
    ("pk", WHOLE), ("public_id", IDENTITY), ("frozen_text", TEXT), ("enrollment", WHOLE),
    ("enrollment__vehicle", WHOLE), ("enrollment__site", WHOLE), ("enrollment__vehicle__capacity_wh", WHOLE),
    ("efficiency", TEXT), ("enrollment__vehicle__max_charge_w", WHOLE), ("enrollment__site__evse_max_charge_w", WHOLE),
)  # fmt: skip


def read_parts(rows: QuerySet[EventParticipation], event: GridEvent, keys: Collection[int]) -> list[EventParticipation]:
    """Return those of the rows that have these keys, with their event, and what their results are worked out from."""
    found = rows.filter(pk__any_of=keys).order_by("pk").annotate(
        frozen_text=Cast("frozen", TextField()), efficiency=as_text("enrollment__vehicle__charge_efficiency")
    )  # fmt: skip
    with row_by_row():
        columns = read_columns(found.values_list(*(name for name, _ in PART)), [kind for _, kind in PART])
    lists = [column if isinstance(column, list) else column.tolist() for column in columns]
    return [_part(event, row) for row in zip(*lists, strict=True)]


def _part(event: GridEvent, row: Sequence[Any]) -> EventParticipation:
    key, public_id, frozen, enrollment, vehicle, site, capacity_wh, efficiency, car_w, evse_w = row
    car = (vehicle, capacity_wh, _decimal(efficiency), car_w)
    return bare(
        EventParticipation, ("id", "public_id", "event_id", "enrollment_id", "frozen"),
        (key, public_id, event.pk, enrollment, json.loads(frozen) if frozen else {}),
        event=event,
        enrollment=bare(
            Enrollment, ("id", "vehicle_id", "site_id"), (enrollment, vehicle, site),
            vehicle=bare(Vehicle, ("id", "capacity_wh", "charge_efficiency", "max_charge_w"), car),
            site=bare(Site, ("id", "evse_max_charge_w"), (site, evse_w)),
        ),
    )  # fmt: skip


@lru_cache(maxsize=16_384)
def _decimal(text: str) -> Decimal:
    return Decimal(text)


class Cases:
    """The stays and readings of some cars around one event, from three queries at most."""

    def __init__(self, *, event: Window, vehicle_ids: Collection[int]) -> None:
        self.event = event
        with row_by_row():
            self._stays = _stays(vehicle_ids, event)
            found = _readings(vehicle_ids, event)
        self._seen = {key for key, readings in found.items() if readings[-1].observed_at >= event.ends_at}
        self._readings = {
            key: readings_needed(tuple(self._fewer(key, readings)), event) for key, readings in found.items()
        }

    def _fewer(self, vehicle_id: int, readings: Sequence[Reading]) -> Sequence[Reading]:
        """Return the readings of a car, of one that streams every few seconds those that its energy follows from."""
        if len(readings) <= MOST_READINGS:
            return readings
        stays = self._stays.get(vehicle_id, ())
        edges = [at for stay in stays for at in (stay.plugged_in_at, stay.unplugged_at) if at is not None]
        return fewer_readings(readings, [self.event.starts_at, self.event.ends_at, *edges], most=MOST_READINGS)

    def is_seen_after(self, part: EventParticipation) -> bool:
        """Say whether the car was seen at the event's end or later."""
        return part.enrollment.vehicle_id in self._seen

    def of(self, part: EventParticipation) -> Case:
        """Return what the settlement of one car's part depends on."""
        event, vehicle, site = part.event, part.enrollment.vehicle, part.enrollment.site
        is_frozen = event.terms.baseline_version >= NEEDS_FROZEN
        power_w = part.frozen.get("power_w") if is_frozen else None
        return Case(
            kind=event.kind,
            event=self.event,
            car=Car(
                capacity_wh=vehicle.capacity_wh,
                charge_efficiency=vehicle.charge_efficiency,
                power_w=power_w or min(vehicle.max_charge_w, site.evse_max_charge_w),
            ),
            stays=tuple(self._stays.get(vehicle.pk, ())),
            readings=self._readings.get(vehicle.pk, ()),
            method=event.terms.baseline_method,
            method_version=event.terms.baseline_version,
            rate_micros_per_kwh=event.reward_micros_per_kwh,
            currency=event.terms.program.utility.currency,
            frozen=read_frozen(part.frozen) if is_frozen else None,
        )


def cases_of(event: GridEvent, parts: Sequence[EventParticipation]) -> Cases:
    """Load the cases of parts in one event."""
    return Cases(
        event=Window(event.starts_at, event.ends_at),
        vehicle_ids=[part.enrollment.vehicle_id for part in parts],
    )


def _stays(vehicle_ids: Collection[int], event: Window) -> Mapping[int, list[Stay]]:
    rows = PlugSession.objects.filter(
        Q(unplugged_at__isnull=True) | Q(unplugged_at__gt=event.starts_at),
        vehicle__any_of=vehicle_ids,
        is_at_home=True,
        plugged_in_at__lt=event.ends_at,
    ).annotate(soc=as_text("soc_percent"), limit=as_text("limit_percent"))
    names = ("vehicle", "plugged_in_at", "unplugged_at", "soc", "limit")
    vehicles, begins, ends, socs, limits = read_columns(
        rows.order_by("plugged_in_at").values_list(*names), [WHOLE, TIME, TIME, TEXT, TEXT]
    )
    found: dict[int, list[Stay]] = {}
    for key, begun, ended, soc, limit in zip(
        vehicles.tolist(), begins.tolist(), ends.tolist(), socs, limits, strict=True
    ):
        left_at = None if ended == MISSING else at_micros(ended)
        found.setdefault(key, []).append(Stay(at_micros(begun), left_at, _decimal(soc), _decimal(limit)))
    return found


def _readings(vehicle_ids: Collection[int], event: Window) -> dict[int, list[Reading]]:
    """Return each car's readings around the event, in order of time; of most cars the near ones are enough."""
    near = _read(vehicle_ids, event, READINGS_NEAR)
    far_ids = [key for key in vehicle_ids if not _is_enough(near.get(key, ()), event)]
    return {**near, **_read(far_ids, event, READINGS_AROUND)} if far_ids else near


def _read(vehicle_ids: Collection[int], event: Window, around: timedelta) -> dict[int, list[Reading]]:
    rows = ChargeReading.objects.filter(
        vehicle__any_of=vehicle_ids, observed_at__gte=event.starts_at - around, observed_at__lte=event.ends_at + around
    ).annotate(soc=as_text("soc_percent"))
    vehicles, times, socs, imported, exported = read_columns(
        rows.order_by("vehicle", "observed_at").values_list("vehicle", "observed_at", "soc", "imported_wh",
                                                            "exported_wh"),
        [WHOLE, TIME, TEXT, WHOLE, WHOLE],
    )  # fmt: skip
    found: dict[int, list[Reading]] = {}
    for key, at, soc, came, left in zip(
        vehicles.tolist(), times.tolist(), socs, imported.tolist(), exported.tolist(), strict=True
    ):
        reading = Reading(
            at_micros(at),
            None if soc is None else _decimal(soc),
            None if came == MISSING else came,
            None if left == MISSING else left,
        )
        found.setdefault(key, []).append(reading)
    return found


def _is_enough(readings: Sequence[Reading], event: Window) -> bool:
    """Say whether each value was seen on both sides of the event: then no reading further off is needed."""
    before = [reading for reading in readings if reading.observed_at <= event.starts_at]
    after = [reading for reading in readings if reading.observed_at >= event.ends_at]
    return all(
        any(reading[place] is not None for reading in side)
        for side in (before, after)
        for place in range(len(Reading._fields))
    )
