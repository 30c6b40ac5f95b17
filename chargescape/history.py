"""Steps the demo's clock through past days: every due row is worked off by the same flows that Celery's tasks call.

Nothing is written but by those flows, and the outside world is reached over HTTP as ever.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Min

from accounts.flows.delivering import send_due_notices
from grid.flows.dispatch.dispatching import dispatch_due
from grid.flows.events.events import announce_due_events
from grid.flows.operators.nominating import nominate_due
from grid.flows.owners.saving import weigh_due_stays
from grid.flows.plans.planning import plan_due
from grid.flows.prices.feeds import fetch_due_feeds
from grid.flows.settlement.invoicing import draft_due_invoices
from grid.flows.settlement.reviewing import close_reviews
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import Dispatch, Feed, GridEvent, PlanningState
from rewards.flows.banking import follow_bank_payouts
from rewards.flows.payouts import request_due_payouts, resolve_unknown_payouts, send_due_payouts
from rewards.flows.reconciling import reconcile_due
from rewards.flows.webhooks import apply_due_webhooks
from rewards.models import PayoutAccount
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.telemetry import read_due_vehicles
from vehicles.models import Command, Vehicle

SHORTEST_STEP = timedelta(minutes=15)
STEP_WHILE_STEERING = timedelta(minutes=14)  # holds end within 15 minutes
LONGEST_STEP = timedelta(hours=1)
LIMIT = 500


class Sweep(Protocol):
    """One sweep over due rows; returns how many it worked off."""

    def __call__(self, *, now: datetime, limit: int) -> int: ...


SWEEPS: tuple[Sweep, ...] = (
    fetch_due_feeds,
    announce_due_events,
    read_due_vehicles,
    confirm_commands,
    plan_due,
    dispatch_due,
    send_due_commands,
    settle_due,
    close_reviews,
    post_due_settlements,
    weigh_due_stays,
    request_due_payouts,
    send_due_payouts,
    resolve_unknown_payouts,
    apply_due_webhooks,
    follow_bank_payouts,
    reconcile_due,
    nominate_due,
    draft_due_invoices,
    send_due_notices,
)


def run_sweeps(*, now: datetime) -> int:
    """Run every sweep of the timetable once, in the order in which work flows; return how many rows were worked off."""
    return sum(sweep(now=now, limit=LIMIT) for sweep in SWEEPS) + release_expired_holds(now=now)


def next_due_at(*, now: datetime) -> datetime:
    """Return when the next row falls due: 14 minutes ahead while cars are steered, else 15 minutes to an hour."""
    dues: list[datetime | None] = [
        Vehicle.objects.filter(state="active").aggregate(at=Min("next_read_at"))["at"],
        PlanningState.objects.aggregate(at=Min("due_at"))["at"],
        Feed.objects.aggregate(at=Min("next_fetch_at"))["at"],
        GridEvent.objects.filter(state="scheduled").aggregate(at=Min("announce_at"))["at"],
        GridEvent.objects.filter(state="announced").aggregate(at=Min("settle_at"))["at"],
        PayoutAccount.objects.filter(state="active", is_paused=False).aggregate(at=Min("next_payout_at"))["at"],
        Command.objects.filter(state__in=["due", "accepted", "unknown"]).aggregate(at=Min("due_at"))["at"],
    ]
    soonest = min([at for at in dues if at is not None], default=now + LONGEST_STEP)
    step_ends_at = min(max(soonest, now + SHORTEST_STEP), now + LONGEST_STEP)
    if Dispatch.objects.filter(stopped_at__isnull=True).exists():
        step_ends_at = now + STEP_WHILE_STEERING
    # Cars are read on the minute when an event begins and ends, or a part of it would be lost between readings.
    events = GridEvent.objects.filter(state="announced")
    begins_at = events.filter(starts_at__gt=now).aggregate(at=Min("starts_at"))["at"]
    ends_at = events.filter(ends_at__gt=now).aggregate(at=Min("ends_at"))["at"]
    return min(at for at in (step_ends_at, begins_at, ends_at) if at is not None)


def step_through(
    *, starts_at: datetime, ends_at: datetime, set_clock: Callable[[datetime], None]
) -> Iterator[tuple[datetime, int]]:
    """Step from due time to due time over `[starts_at, ends_at]`; yields each instant and the rows worked off."""
    now = starts_at
    while now < ends_at:
        set_clock(now)
        yield now, run_sweeps(now=now)
        now = min(next_due_at(now=now), ends_at)
