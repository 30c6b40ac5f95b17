"""An event settled by the group: what all its cars delivered is worked out and priced once, then shared.

Each step leaves rows that the next one starts from, so that a sweep that dies anywhere is gone on with: each car's own
result (`Measurement`), the group's (`GroupSettlement`), the shares (`Settlement`), the end of it. A correction takes
the same way once more as the next revision.
"""

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from foundation import clock
from foundation.refusals import Refusal
from grid.flows.settlement.cases import read_parts
from grid.flows.settlement.correcting import correct_group
from grid.flows.settlement.group_results import add_result, gather_inputs, newest_group, parts_of
from grid.flows.settlement.measuring import AT_ONCE, keep, measurements_of
from grid.flows.settlement.shares import NO_LIMIT, finish_shares
from grid.models import EventParticipation, GridEvent, GroupSettlement
from grid.rows.batches import batched

__all__ = ["UnableToSettle", "correct_group", "go_on_with", "newest_group", "settle_group_of"]

LEASE = timedelta(seconds=60)
ASK_AGAIN_AFTER = timedelta(minutes=10)


class UnableToSettle(Refusal):
    """The group's result cannot be worked out now."""


def settle_group_of(event: GridEvent, now: datetime) -> GroupSettlement:
    """Settle an event by its group at once and return the result; one that is settled is returned as it is.

    Raises UnableToSettle while readings of its cars are waited for.
    """
    go_on_with(event, now, ends_at=NO_LIMIT)
    group = newest_group(event)
    if group is None:
        raise UnableToSettle(gettext("Readings of the event's cars are still waited for."), code="readings_awaited")
    return group


def go_on_with(event: GridEvent, now: datetime, *, ends_at: float) -> int:
    """Take the next steps until `ends_at` (of `time.monotonic`); returns how many settlements were made.

    What is left when the time is over is left to the next sweep; so is a car whose readings have not come yet.
    """
    group = newest_group(event)
    if group is None:
        if not _measure(event, now, ends_at=ends_at):
            return 0
        group = _first_result(event, now, ends_at=ends_at)
    if group is None:
        return 0
    return finish_shares(group, now, ends_at=ends_at)


def _unmeasured(event: GridEvent) -> QuerySet[EventParticipation]:
    return parts_of(event).filter(measurements__isnull=True, settlements__isnull=True)


def _measure(event: GridEvent, now: datetime, *, ends_at: float) -> bool:
    """Work out the cars that can be; return whether none is left."""
    # All keys at once: asking for the next ones again and again would look at those done again and again.
    keys = list(_unmeasured(event).order_by("pk").values_list("pk", flat=True))
    for chunk in batched(keys, AT_ONCE):
        if time.monotonic() > ends_at:
            GridEvent.objects.filter(pk=event.pk).update(lease_until=None)  # still due: the next sweep goes on
            return False
        GridEvent.objects.filter(pk=event.pk).update(lease_until=clock.wall() + LEASE)
        parts = read_parts(_unmeasured(event), event, chunk)
        keep(measurements_of(event, parts, now, revision=1, is_waiting=True))
    if _unmeasured(event).exists():
        rows = GridEvent.objects.filter(pk=event.pk, state=GridEvent.State.ANNOUNCED)
        rows.update(settle_at=now + ASK_AGAIN_AFTER, lease_until=None)
        return False
    return True


def _first_result(event: GridEvent, now: datetime, *, ends_at: float) -> GroupSettlement | None:
    """Work out the group's first result; None while its history is still gathered."""
    inputs = gather_inputs(event, ends_at=ends_at)
    if inputs is None:
        GridEvent.objects.filter(pk=event.pk).update(lease_until=None)
        return None
    with transaction.atomic():
        GridEvent.objects.select_for_update().get(pk=event.pk)
        return newest_group(event) or add_result(event, now, revision=1, inputs=inputs, reason="")
