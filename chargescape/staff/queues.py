"""What waits to be done: due rows by kind of work, and for how long the oldest has waited."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from accounts.models import NoticeDelivery
from chargescape.staff.bases import MAY_SEE_CARS as CARS
from chargescape.staff.bases import MAY_SEE_EVENTS as EVENTS
from chargescape.staff.bases import MAY_SEE_MONEY as MONEY
from grid.models import Feed, GridEvent, OperatorReport, PlanningState
from rewards.models import Payout, WebhookEvent
from vehicles.models import Command, Vehicle, VehicleLink


@dataclass(frozen=True)
class Queue:
    """One kind of work. `oldest` is None where nothing waits; `right` is what its reader must be allowed to see."""

    name: str
    right: str
    due: int
    oldest: timedelta | None

    @property
    def oldest_text(self) -> str:
        """How long the oldest waits, for a person."""
        if self.oldest is None:
            return "-"
        seconds = max(0, int(self.oldest.total_seconds()))
        return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def waiting(*, now: datetime, wall: datetime) -> list[Queue]:
    """Return every queue, one query each. `now` is simulated time, `wall` real time, as each due time is kept."""
    working = Q(link__state=VehicleLink.State.ACTIVE)
    return [
        _queue("readings", CARS, Vehicle.objects.filter(working, state=Vehicle.State.ACTIVE), "next_read_at", now),
        _queue("commands", CARS, Command.objects.filter(state=Command.State.DUE), "due_at", now),
        _queue("plans", CARS, PlanningState.objects.filter(vehicle__state=Vehicle.State.ACTIVE), "due_at", now),
        _queue("dispatches", CARS, PlanningState.objects.filter(vehicle__state="active"), "dispatch_at", now),
        _queue("notices", CARS, NoticeDelivery.objects.filter(state=NoticeDelivery.State.DUE), "due_at", now),
        _queue("prices and carbon", EVENTS, Feed.objects.filter(is_active=True), "next_fetch_at", now),
        _queue("announcements", EVENTS, GridEvent.objects.filter(state=GridEvent.State.SCHEDULED), "announce_at", now),
        _queue("settlements", EVENTS, GridEvent.objects.filter(state=GridEvent.State.ANNOUNCED), "settle_at", now),
        _queue("reports to utilities", EVENTS, OperatorReport.objects.filter(sent_at=None), "next_try_at", wall),
        _queue(
            "payouts",
            MONEY,
            Payout.objects.to_send(at=wall),
            "requested_at",
            now,
        ),
        _queue("messages of the processor", MONEY, WebhookEvent.objects.filter(applied_at=None), "received_at", now),
    ]


def _queue(name: str, right: str, rows: Any, column: str, at: datetime) -> Queue:
    found = rows.filter(**{f"{column}__lte": at}).aggregate(due=Count("pk"), first=Min(column))
    return Queue(name, right, found["due"], at - found["first"] if found["first"] else None)
