"""Events that are due: what each car delivered and earned, alone or with its group; corrected by new rows only."""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from foundation import clock
from grid.flows.settlement import groups
from grid.flows.settlement.cases import read_parts
from grid.flows.settlement.correcting import correct_late
from grid.flows.settlement.crediting import post_due_settlements
from grid.flows.settlement.measuring import AT_ONCE, keep, settlements_of
from grid.flows.settlement.shares import finish_shares
from grid.models import EventParticipation, GridEvent, GroupSettlement, ProgramTerms
from grid.rows.batches import batched

__all__ = ["post_due_settlements", "settle_due"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
ASK_AGAIN_AFTER = timedelta(minutes=10)
FIRST_CHECK = timedelta(hours=1)
SWEEP_SECONDS = 20.0  # of real time; a task may take 30


def settle_due(*, now: datetime, limit: int) -> int:
    """Settle up to `limit` events that are due, and correct what late readings changed; return how many settlements.

    A car whose readings from after the event have not come yet is waited for, until a deadline: then its energy is not
    known. A car settled alone is credited nothing for it; in a group the mean of the others stands in. Cars whose owner
    opted out, or that were unable, took no part and get no settlement. A large event is gone on with by the next sweep.
    """
    made, ends_at = 0, time.monotonic() + SWEEP_SECONDS
    for event in _claim_events(now, limit):
        try:
            if event.terms.settles == ProgramTerms.Settles.GROUP:
                made += groups.go_on_with(event, now, ends_at=ends_at)
            else:
                made += _settle_event(event, now, ends_at=ends_at)
        except Exception:
            logger.exception("event %s was not settled", event.public_id)
    for group in _unshared(limit):
        try:
            made += finish_shares(group, now, ends_at=ends_at)
        except Exception:
            logger.exception("group settlement %s was not shared", group.public_id)
    return made + correct_late(now=now, limit=limit)


def _unshared(limit: int) -> QuerySet[GroupSettlement]:
    """Return corrections of groups so large that their shares are still to be made."""
    rows = GroupSettlement.objects.filter(shared_at=None, event__state=GridEvent.State.SETTLED)
    return rows.defer("evidence").order_by("pk")[:limit]


def _claim_events(now: datetime, limit: int) -> list[GridEvent]:
    wall = clock.wall()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
    with transaction.atomic():
        due = GridEvent.objects.filter(free, state=GridEvent.State.ANNOUNCED, settle_at__lte=now)
        keys = list(
            due.order_by("settle_at", "pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
        )
        GridEvent.objects.filter(pk__in=keys).update(lease_until=wall + timedelta(seconds=LEASE_SECONDS))
    claimed = GridEvent.objects.filter(pk__in=keys).select_related("terms__program__utility")
    return list(claimed.order_by("settle_at", "pk"))


def _settle_event(event: GridEvent, now: datetime, *, ends_at: float) -> int:
    """Settle the cars that can be, many at a time; a car that fails or waits holds up no other."""
    made = 0
    # All keys at once: asking for the next ones again and again would look at those done again and again.
    for chunk in batched(list(_open_parts(event).order_by("pk").values_list("pk", flat=True)), AT_ONCE):
        if time.monotonic() > ends_at:
            GridEvent.objects.filter(pk=event.pk).update(lease_until=None)  # still due: the next sweep goes on
            return made
        GridEvent.objects.filter(pk=event.pk).update(lease_until=clock.wall() + timedelta(seconds=LEASE_SECONDS))
        made += keep(settlements_of(event, read_parts(_open_parts(event), event, chunk), now))
    _close_event(event, now, is_done=not _open_parts(event).exists())
    return made


def _open_parts(event: GridEvent) -> QuerySet[EventParticipation]:
    return EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN, settlements__isnull=True)


def _close_event(event: GridEvent, now: datetime, *, is_done: bool) -> None:
    rows = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.ANNOUNCED)
    if is_done:
        rows.update(state=GridEvent.State.SETTLED, settled_at=now, check_at=now + FIRST_CHECK, lease_until=None)
    else:
        rows.update(settle_at=now + ASK_AGAIN_AFTER, lease_until=None)
