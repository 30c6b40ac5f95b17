"""What settlements are computed from, loaded for many cars of one event at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from django.db.models import Q

from grid.metering.cases import Car, Case, Reading, Stay, Window
from grid.metering.evidence import read_frozen
from grid.metering.settlement import readings_needed
from grid.models import EventParticipation, GridEvent
from vehicles.models import ChargeReading, PlugSession

READINGS_AROUND = timedelta(hours=6)
# Nearly every car was read this close to both edges of the event; only where it was not is more looked at.
READINGS_NEAR = timedelta(minutes=45)
MOST_READINGS = 2000
NEEDS_FROZEN = 2  # the first version of the baseline method that looks at what was known before notice
VALUES = ("observed_at", "soc_percent", "imported_wh", "exported_wh")


class Cases:
    """The stays and readings of some cars around one event, from three queries at most."""

    def __init__(self, *, event: Window, vehicle_ids: Collection[int]) -> None:
        self.event = event
        self._stays = _stays(vehicle_ids, event)
        self._readings = _readings(vehicle_ids, event)

    def of(self, part: EventParticipation) -> Case:
        """Return what the settlement of one car's part depends on."""
        event, vehicle, site = part.event, part.enrollment.vehicle, part.enrollment.site
        return Case(
            kind=event.kind,
            event=self.event,
            car=Car(
                capacity_wh=vehicle.capacity_wh,
                charge_efficiency=vehicle.charge_efficiency,
                power_w=min(vehicle.max_charge_w, site.evse_max_charge_w),
            ),
            stays=tuple(self._stays[vehicle.pk]),
            readings=self._readings.get(vehicle.pk, ()),
            method=event.terms.baseline_method,
            method_version=event.terms.baseline_version,
            rate_micros_per_kwh=event.reward_micros_per_kwh,
            currency=event.terms.program.utility.currency,
            frozen=read_frozen(part.frozen) if event.terms.baseline_version >= NEEDS_FROZEN else None,
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
        vehicle__in=vehicle_ids,
        is_at_home=True,
        plugged_in_at__lt=event.ends_at,
    )
    names = ("vehicle", "plugged_in_at", "unplugged_at", "soc_percent", "limit_percent")
    found: defaultdict[int, list[Stay]] = defaultdict(list)
    for vehicle_id, *stay in rows.order_by("plugged_in_at").values_list(*names):
        found[vehicle_id].append(Stay(*stay))
    return found


def _readings(vehicle_ids: Collection[int], event: Window) -> dict[int, tuple[Reading, ...]]:
    """Return each car's readings that its settlement needs, in order of time."""
    near = _read(vehicle_ids, event, READINGS_NEAR)
    far_ids = [vehicle_id for vehicle_id in vehicle_ids if not _is_enough(near[vehicle_id], event)]
    far = _read(far_ids, event, READINGS_AROUND) if far_ids else {}
    return {
        vehicle_id: readings_needed(tuple(readings[:MOST_READINGS]), event)
        for vehicle_id, readings in {**near, **far}.items()
    }


def _read(vehicle_ids: Collection[int], event: Window, around: timedelta) -> Mapping[int, list[Reading]]:
    rows = ChargeReading.objects.filter(
        vehicle__in=vehicle_ids, observed_at__gte=event.starts_at - around, observed_at__lte=event.ends_at + around
    )
    found: defaultdict[int, list[Reading]] = defaultdict(list)
    for vehicle_id, *values in rows.order_by("observed_at").values_list("vehicle", *VALUES).iterator(chunk_size=10_000):
        found[vehicle_id].append(Reading(*values))
    return found


def _is_enough(readings: Iterable[Reading], event: Window) -> bool:
    """Say whether each value was seen on both sides of the event: then no reading further off is needed."""
    seen_before, seen_after = set[str](), set[str]()
    for reading in readings:
        for seen, is_there in (
            (seen_before, reading.observed_at <= event.starts_at),
            (seen_after, reading.observed_at >= event.ends_at),
        ):
            if is_there:
                seen.update(name for name in VALUES if getattr(reading, name) is not None)
    return len(seen_before) == len(seen_after) == len(VALUES)
