"""The operations page: what staff must see at once, in a number of queries that no number of rows changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Sum

from chargescape.staff.alerts import Alert, car_alerts, grid_alerts, money_alerts, queue_alert
from chargescape.staff.bases import MAY_SEE_CARS, MAY_SEE_EVENTS, MAY_SEE_MONEY, admin_list, event_page
from chargescape.staff.group_chart import GroupChart, newest_chart
from chargescape.staff.queues import Queue, waiting
from grid.flows.desk.progress import Progress, progress_of
from grid.models import Dispatch, GridEvent
from rewards.models import Payout, Reconciliation
from vehicles.flows.makers import MakerBoard, board
from vehicles.models import ChargeReading, PlugSession, Vehicle

FRESH = timedelta(minutes=30)
SOON = timedelta(hours=24)
WATTS_PER_KW = 1000
LATE = timedelta(minutes=5)  # a sweep looks every few seconds; work this old waits for something that is broken


@dataclass(frozen=True)
class Figure:
    """One number with what it counts, and the list behind it."""

    label: str
    value: int | str
    href: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class EventNow:
    """An event that runs or comes within a day: asked, and what is under way for it."""

    event: GridEvent
    is_running: bool
    cars_in: int
    cars_out: int
    cars_unable: int
    cars_steered: int
    steered_w: int

    @property
    def href(self) -> str:
        """Its page in the admin."""
        return event_page(self.event)

    @property
    def asked_kw(self) -> str:
        """The power asked of all cars together."""
        return f"{self.event.target_w / WATTS_PER_KW:,.0f}"

    @property
    def steered_kw(self) -> str:
        """The power that the cars were told to give back."""
        return f"{self.steered_w / WATTS_PER_KW:,.1f}"


@dataclass(frozen=True)
class Board:
    """What the page shows; a part that the reader may not see is empty."""

    at: datetime
    alerts: Sequence[Alert] = ()
    fleet: Sequence[Figure] = ()
    events: Sequence[EventNow] = ()
    running: Progress | None = None
    newest: GroupChart | None = None
    queues: Sequence[Queue] = ()
    makers: Sequence[MakerBoard] = ()
    payouts: Sequence[Figure] = ()
    sees: frozenset[str] = field(default_factory=frozenset)


def look_around(*, may_see: Callable[[str], bool], now: datetime, wall: datetime, rate: float = 1.0) -> Board:
    """Return the board for somebody with these rights, in about thirty queries.

    `now` is simulated and `wall` real time; `rate` is how many simulated seconds pass in a real one.
    """
    sees = frozenset(right for right in (MAY_SEE_CARS, MAY_SEE_EVENTS, MAY_SEE_MONEY) if may_see(right))
    queues = [queue for queue in waiting(now=now, wall=wall) if queue.right in sees]
    late = LATE * max(1.0, rate)
    alerts = [queue_alert(queue) for queue in queues if queue.oldest is not None and queue.oldest > late]
    makers = board(now=now) if MAY_SEE_CARS in sees else []
    alerts += car_alerts(makers, now=now, late=late, wall=wall) if MAY_SEE_CARS in sees else []
    alerts += grid_alerts(now=now) if MAY_SEE_EVENTS in sees else []
    alerts += money_alerts(now=now) if MAY_SEE_MONEY in sees else []
    events = _events(now) if MAY_SEE_EVENTS in sees else []
    return Board(
        at=now,
        alerts=alerts,
        fleet=_fleet(now) if MAY_SEE_CARS in sees else (),
        events=events,
        running=_running(events),
        newest=newest_chart() if MAY_SEE_EVENTS in sees else None,
        queues=queues,
        makers=[row for row in makers if row.is_offered or row.links],
        payouts=_payouts() if MAY_SEE_MONEY in sees else (),
        sees=sees,
    )


def _fleet(now: datetime) -> list[Figure]:
    active = Vehicle.objects.filter(state=Vehicle.State.ACTIVE)
    plugged = PlugSession.objects.filter(unplugged_at__isnull=True, is_at_home=True, vehicle__state="active")
    seen = ChargeReading.objects.filter(fetched_at__gte=now - FRESH).aggregate(n=Count("vehicle", distinct=True))
    modes = Dispatch.objects.filter(stopped_at__isnull=True, ends_at__gt=now, starts_at__lte=now).order_by()
    by_mode = {
        mode: (cars, -(power or 0))
        for mode, cars, power in modes.values_list("mode").annotate(Count("pk"), Sum("power_w"))
    }
    held, giving = by_mode.get("hold", (0, 0)), by_mode.get("discharge", (0, 0))
    silent = active.filter(read_failures__gte=3).count()
    return [
        Figure("cars taking part", active.count(), admin_list("vehicles_vehicle", "state__exact=active")),
        Figure("plugged in at home", plugged.count()),
        Figure("heard of in the last half hour", seen["n"]),
        Figure("held back now", held[0], admin_list("grid_dispatch")),
        Figure("giving back now", giving[0], admin_list("grid_dispatch")),
        Figure("kW given back, as planned", f"{giving[1] / WATTS_PER_KW:,.1f}"),
        Figure("silent: three readings failed", silent, admin_list("vehicles_vehicle"), is_bad=silent > 0),
    ]


def _running(events: Sequence[EventNow]) -> Progress | None:
    """Return how the largest event that runs now goes."""
    running = [row.event for row in events if row.is_running]
    return progress_of(max(running, key=lambda event: event.target_w)) if running else None


def _events(now: datetime) -> list[EventNow]:
    rows = GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES, ends_at__gt=now, starts_at__lt=now + SOON)
    rows = rows.select_related("terms__program__utility").order_by("starts_at")[:20]
    parts = _counted(GridEvent.objects.filter(pk__in=[row.pk for row in rows]), "participations__state")
    open_now = Dispatch.objects.filter(stopped_at__isnull=True, ends_at__gt=now, participation__event__in=list(rows))
    steered = {
        event: (cars, abs(power or 0))
        for event, cars, power in open_now.order_by()
        .values_list("participation__event")
        .annotate(Count("pk"), Sum("power_w"))
    }
    return [
        EventNow(
            event=row,
            is_running=row.starts_at <= now,
            cars_in=parts.get((row.pk, "in"), 0),
            cars_out=parts.get((row.pk, "opted_out"), 0),
            cars_unable=parts.get((row.pk, "unable"), 0),
            cars_steered=steered.get(row.pk, (0, 0))[0],
            steered_w=steered.get(row.pk, (0, 0))[1],
        )
        for row in rows
    ]


def _counted(rows: Any, name: str) -> dict[tuple[int, str], int]:
    return {(pk, value): count for pk, value, count in rows.order_by().values_list("pk", name).annotate(Count(name))}


def _payouts() -> list[Figure]:
    rows = dict(Payout.objects.order_by().values_list("state").annotate(Count("pk")))
    bad = {Payout.State.UNKNOWN, Payout.State.FROZEN, Payout.State.BANK_FAILED}
    figures = [
        Figure(str(state.label), rows.get(state.value, 0), admin_list("rewards_payout", f"state__exact={state.value}"),
               is_bad=state in bad and rows.get(state.value, 0) > 0)
        for state in Payout.State
    ]  # fmt: skip
    last = Reconciliation.objects.aggregate(at=Max("finished_at"))["at"]
    compared = f"{last:%Y-%m-%d %H:%M}Z" if last else "never"
    return [*figures, Figure("last compared with the processor", compared, admin_list("rewards_reconciliation"))]
