"""The kill switch: one row stops everything that adds risk, and every car is given back. Needs the database and HTTPS.

Whoever asks for a command, and whoever sends one, looks at the row; the watchdog gives back what is held while it
stands. Throwing it takes one person, lifting it two.
"""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import User
from foundation.refusals import Refusal
from vehicles.flows import releases
from vehicles.models import StopOrder

REASON = "stopped"


class UnableToStop(Refusal):
    """The kill switch stays as it was."""


def stop_in_force() -> StopOrder | None:
    """Return the stop that stands, or None."""
    return StopOrder.objects.filter(lifted_at__isnull=True).first()


def throw_switch(*, reason: str, made_by: User, now: datetime) -> StopOrder:
    """Stop everything and leave a release for every car that is held or discharging; return the stop that stands.

    Thrown twice it is one stop, and what is held by then is given back again. Raises UnableToStop without a reason or
    for somebody who is no staff.
    """
    if not made_by.is_staff or not made_by.is_active:
        raise UnableToStop("Only staff can stop everything.", code="not_staff")
    if not reason.strip():
        raise UnableToStop("Say why: whoever lifts it must know.", code="no_reason", field="reason")
    order = stop_in_force()
    if order is None:
        try:
            with transaction.atomic():
                order = StopOrder.objects.create(reason=reason.strip()[:200], made_by=made_by, made_at=now)
        except IntegrityError:  # somebody else was a moment faster
            order = StopOrder.objects.get(lifted_at__isnull=True)
    releases.release_all(reason=REASON, now=now)
    return order


def lift_switch(*, order: StopOrder, by: User, now: datetime) -> StopOrder:
    """Ask to lift the stop, or lift it where somebody else has asked; return it.

    Raises UnableToStop for somebody who is no staff, for the same person twice, and where it is lifted already.
    """
    if not by.is_staff or not by.is_active:
        raise UnableToStop("Only staff can lift the stop.", code="not_staff")
    with transaction.atomic():
        order = StopOrder.objects.select_for_update().get(pk=order.pk)
        if order.lifted_at is not None:
            raise UnableToStop("It is lifted already.", code="lifted")
        if order.lift_asked_by_id is None:
            order.lift_asked_by, order.lift_asked_at = by, now
            order.save(update_fields=["lift_asked_by", "lift_asked_at"])
            return order
        if order.lift_asked_by_id == by.pk:
            raise UnableToStop("A second person must lift it: you asked for that yourself.", code="same_person")
        order.lifted_by, order.lifted_at = by, now
        order.save(update_fields=["lifted_by", "lifted_at"])
    return order
