"""Waking a sleeping car costs its small battery: only for what its owner has committed to, a few times at most."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from vehicles.models import Command, Vehicle

MOST_TRIES = 2
PAUSE = timedelta(minutes=10)
LATEST = timedelta(minutes=10)
FOR_EVENT, FOR_RELEASE = "event", "release"


def wake_for_event(*, vehicle: Vehicle, event: str, now: datetime) -> Command | None:
    """Leave a wake for a car that sleeps although it takes part in `event` (its key) now or soon; return it, if any.

    None where the car cannot be woken, was woken for this event twice already, or only just.
    """
    return _wake(vehicle, purpose=event, reason=FOR_EVENT, now=now)


def wake_for_release(*, vehicle: Vehicle, release: str, now: datetime) -> Command | None:
    """Leave a wake for a held car that sleeps through its `release` (its key); return it, if any. As above."""
    return _wake(vehicle, purpose=release, reason=FOR_RELEASE, now=now)


def _wake(vehicle: Vehicle, *, purpose: str, reason: str, now: datetime) -> Command | None:
    if not vehicle.own.can_wake:
        return None
    key = f"wake:{vehicle.public_id}:{purpose}"
    before = Command.objects.filter(vehicle=vehicle, kind=Command.Kind.WAKE)
    if before.filter(key__startswith=key).count() >= MOST_TRIES or before.filter(created_at__gt=now - PAUSE).exists():
        return None
    number = before.filter(key__startswith=key).count() + 1
    try:
        with transaction.atomic():
            return Command.objects.create(
                vehicle=vehicle,
                key=f"{key}:{number}",
                kind=Command.Kind.WAKE,
                reason=reason,
                ends_at=now + LATEST,
                due_at=now,
                created_at=now,
            )
    except IntegrityError:  # somebody else had the same thought
        return None
