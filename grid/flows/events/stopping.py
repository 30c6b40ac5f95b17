"""The kill switch with all that hangs on it: cars are given back first, then the events that run are ended."""

import logging
from datetime import datetime

from accounts.models import User
from grid.flows.events import events
from grid.models import GridEvent
from vehicles.flows import stopping
from vehicles.models import StopOrder

logger = logging.getLogger(__name__)


def stop_all(*, reason: str, made_by: User, now: datetime) -> StopOrder:
    """Stop everything that adds risk, leave a release for every car, end the events that run; return the stop.

    What was delivered until now is settled as ever. An event that cannot be ended stops no other, and no car is held
    for it. Raises UnableToStop, as `throw_switch` says.
    """
    order = stopping.throw_switch(reason=reason, made_by=made_by, now=now)
    running = GridEvent.objects.filter(state=GridEvent.State.ANNOUNCED, starts_at__lte=now, ends_at__gt=now)
    for event in running:
        try:
            events.cancel_event(event=event, now=now, reason=f"everything is stopped: {reason}")
        except Exception:
            logger.exception("event %s was not ended", event.public_id)
    return order
