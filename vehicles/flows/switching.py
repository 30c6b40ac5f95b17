"""How much power may be switched at once: commands of one utility's cars take turns, releases first.

What counts is any ten seconds, at a start, at an end, and after an outage of ours alike. Whoever sends asks here for
turns first; a turn that was not used within `SPARE` is given anew, so that what piled up while we were away does not
go all at once. Exempt is what cannot wait: a release for departure, minimum, the owner's word or the kill switch.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from foundation import clock
from vehicles.models import Command, SwitchLimit

WINDOW = timedelta(seconds=10)
# A sweep comes every few seconds, so a turn is good for a while; turns are spread as thinly as that asks for.
SPARE = timedelta(seconds=10)
# Less than this shakes no grid, and a limit below one car's power would stop everything.
LEAST_LIMIT_W = 100_000
AT_ONCE = 5_000
# Why a car is given back when nobody waits for it: the plan, the event's end, or our own absence.
PATIENT = frozenset({"plan", "left", "not_in_event", "full", "over", "no_plan", "stale", "ended", "changed", "feeder"})


def spare() -> timedelta:
    """Return for how long a turn is good, in platform time: a demo's sweeps are minutes of it apart."""
    return SPARE * max(1.0, clock.rate())


def give_turns(*, now: datetime) -> int:
    """Give every due command that switches power its turn, and return how many got one."""
    has_none = Q(slot_at__isnull=True) | Q(slot_at__lt=now - spare() / 2)
    may_go = Q(retry_at__isnull=True) | Q(retry_at__lte=clock.wall())
    waiting = Command.objects.filter(has_none, may_go, state=Command.State.DUE, switch_w__gt=0, due_at__lte=now)
    # Releases stand before holds: `resume` is the last of the kinds.
    rows = list(
        waiting.order_by("switch_group", F("kind").desc(), "due_at", "pk").only("pk", "switch_group", "switch_w")[
            :AT_ONCE
        ]
    )
    for group, members in itertools.groupby(rows, key=lambda row: row.switch_group):
        _give(group, list(members), now=now)
    return len(rows)


def _give(group: str, found: Sequence[Command], *, now: datetime) -> None:
    with transaction.atomic():
        limit = SwitchLimit.objects.select_for_update().filter(group=group).first()
        if limit is None or not limit.limit_w:
            Command.objects.filter(pk__in=[one.pk for one in found]).update(slot_at=now)
            return
        commands = _locked(found)
        slots, free_at = turns(
            [one.switch_w for one in commands], limit_w=limit.limit_w, free_at=limit.free_at or now, now=now
        )
        for command, slot_at in zip(commands, slots, strict=True):
            command.slot_at = slot_at
            command.due_at = max(slot_at, now)
        Command.objects.bulk_update(commands, ["slot_at", "due_at"], batch_size=500)
        SwitchLimit.objects.filter(pk=limit.pk).update(free_at=free_at)


def _locked(found: Sequence[Command]) -> list[Command]:
    """Lock the commands and return those that wait for a turn still: somebody may need one at once by now.

    In the order of the kill switch, which writes as many: one would be given up as waiting for the other.
    """
    rows = Command.objects.filter(pk__in=[one.pk for one in found], state=Command.State.DUE, switch_w__gt=0)
    waiting = set(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    return [one for one in found if one.pk in waiting]


def turns(
    powers_w: Sequence[int], *, limit_w: int, free_at: datetime, now: datetime
) -> tuple[list[datetime], datetime]:
    """Return when each of these powers may be switched, in order, and when the next one after them may.

    Every turn may be used up to `SPARE` late, so turns are spread over `WINDOW + SPARE`: what is then switched in any
    `WINDOW` stays within `limit_w`, but for the one car that crosses it.
    """
    seconds_per_w = (WINDOW + SPARE).total_seconds() / max(limit_w, LEAST_LIMIT_W)
    # What was not used lately may be used now, but not on the last instant of its turn.
    at, slots = max(free_at, now - SPARE / 2), []
    for power_w in powers_w:
        slots.append(at)
        at += timedelta(seconds=power_w * seconds_per_w)
    return slots, at


def is_turn(command: Command, *, at: datetime) -> bool:
    """Say whether the command may go at `at`."""
    if not command.switch_w:
        return True
    return command.slot_at is not None and command.slot_at <= at <= command.slot_at + spare()


def is_patient(reason: str) -> bool:
    """Say whether a release for this reason takes its turn like everything else."""
    return reason in PATIENT


def switched_w(*, before: Command | None, kind: str, power_w: int, charge_w: int) -> int:
    """Return how much power a hold or discharge switches, counted from what the car does by the command before."""
    now_w = power_w if kind == Command.Kind.DISCHARGE else 0
    if before is None:
        return abs(charge_w - now_w)
    before_w = before.power_w if before.kind == Command.Kind.DISCHARGE else 0
    return abs(before_w - now_w)
