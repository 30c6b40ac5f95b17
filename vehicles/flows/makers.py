"""How each maker fares, and the hand that stops one: for admins."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, F, Q, Sum

from foundation.refusals import Refusal
from vehicles import gateway, meter
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.models import CallCount, Command, MakerSwitch, VehicleLink

CALLS = F("reads") + F("wakes") + F("commands") + F("releases") + F("refreshes")


class UnableToSwitch(Refusal):
    """The maker stays as it was."""


@dataclass(frozen=True)
class MakerBoard:
    """One maker's links by state, its calls and failures of this hour and of the last day, and its switch."""

    maker: str
    name: str
    is_offered: bool
    switch: MakerSwitch | None
    links: dict[str, int] = field(default_factory=dict)
    cars_commanded: int = 0
    calls_hour: int = 0
    failures_hour: int = 0
    calls_day: int = 0
    failures_day: int = 0

    @property
    def is_on(self) -> bool:
        """Whether cars of the maker are read and steered."""
        return self.switch is None or self.switch.is_on

    @property
    def error_percent(self) -> float | None:
        """Failures of a hundred calls in the last day; None without a call."""
        return round(100 * self.failures_day / self.calls_day, 1) if self.calls_day else None

    @property
    def budget_percent(self) -> float | None:
        """How much of the hour's budget is used; None where there is none."""
        budget = self.switch.hourly_budget if self.switch else None
        return round(100 * self.calls_hour / budget, 1) if budget else None


def board(*, now: datetime) -> list[MakerBoard]:
    """Return every maker that we know or that somebody is linked to; five queries, however many rows there are."""
    links: dict[str, dict[str, int]] = {}
    for maker, state, count in VehicleLink.objects.order_by().values_list("maker", "state").annotate(Count("pk")):
        links.setdefault(maker, {})[state] = count
    switches = {switch.maker: switch for switch in MakerSwitch.objects.all()[:100]}
    offered = set(gateway.offered_makers())
    held = Command.objects.in_force(now).order_by().values_list("vehicle__link__maker")
    commanded = dict(held.annotate(Count("vehicle", distinct=True)))
    hour, day = _calls(meter.hour_of(now)), _calls(meter.hour_of(now) - timedelta(hours=23))
    return [
        MakerBoard(
            maker=maker,
            name=AUTOMAKERS[maker].name if maker in AUTOMAKERS else maker,
            is_offered=maker in offered,
            switch=switches.get(maker),
            links=links.get(maker, {}),
            cars_commanded=commanded.get(maker, 0),
            calls_hour=hour.get(maker, (0, 0))[0],
            failures_hour=hour.get(maker, (0, 0))[1],
            calls_day=day.get(maker, (0, 0))[0],
            failures_day=day.get(maker, (0, 0))[1],
        )
        for maker in sorted({*AUTOMAKERS, *links, *switches})
    ]


def _calls(since: datetime) -> dict[str, tuple[int, int]]:
    rows = CallCount.objects.filter(scope=CallCount.Scope.MAKER, starts_at__gte=since).order_by().values("subject")
    sums = rows.annotate(calls=Sum(CALLS), failed=Sum("failures"))
    return {row["subject"]: (row["calls"], row["failed"]) for row in sums}


def switch_maker(*, maker: str, is_on: bool, reason: str, now: datetime) -> MakerSwitch:  # noqa: ARG001 - a flow
    """Switch a maker off or on again and return its switch.

    Off: nothing is read, held or discharged any more, and the watchdog releases every car within seconds; releases go
    out all the same. Raises UnableToSwitch for a maker nobody knows, or without a reason for switching off.
    """
    if maker not in AUTOMAKERS and not VehicleLink.objects.filter(maker=maker).exists():
        raise UnableToSwitch("There is no such maker.", code="maker_unknown", field="maker")
    if not is_on and not reason.strip():
        raise UnableToSwitch("Say why, for whoever switches it on again.", code="reason_missing", field="reason")
    switch, _ = MakerSwitch.objects.get_or_create(maker=maker)
    switch.is_on, switch.reason = is_on, reason.strip()[:120]
    switch.save(update_fields=["is_on", "reason"])
    return switch


def what_switching_off_does(maker: str, *, now: datetime) -> dict[str, int]:
    """Return how many links and cars it concerns, and how many cars are held or discharged just now."""
    concerned = VehicleLink.objects.filter(maker=maker, state=VehicleLink.State.ACTIVE).aggregate(
        links=Count("pk", distinct=True), cars=Count("vehicles", filter=Q(vehicles__state="active"), distinct=True)
    )
    held = Command.objects.in_force(now).filter(vehicle__link__maker=maker).values("vehicle").distinct().count()
    return {**concerned, "held": held}
