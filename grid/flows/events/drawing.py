"""Who is left alone in an event, for the sake of measuring it: drawn by lot before anybody is told."""

import logging
import secrets
from collections.abc import Collection
from datetime import datetime
from fractions import Fraction

from django.db import transaction
from django.db.models import Max

from grid.metering.control_groups import METHOD, VERSION, Candidate, Draw, draw_control_group
from grid.models import ControlDraw, EventParticipation, GridEvent

logger = logging.getLogger(__name__)

COUNTS = (EventParticipation.State.IN, EventParticipation.State.CONTROL)


@transaction.atomic
def draw_controls(event: GridEvent, now: datetime) -> ControlDraw | None:
    """Draw the event's control group where its terms want one, once; None where they do not.

    Written down with its seed, so that anybody can draw again. Raises ValueError for a share that cannot be drawn.
    """
    share = event.terms.control_share_percent
    if not share:
        return None
    GridEvent.objects.select_for_update(no_key=True).get(pk=event.pk)  # whoever yields to it is not held up
    known = ControlDraw.objects.filter(event=event).first()
    if known is not None:
        return known
    parts = EventParticipation.objects.filter(event=event, state=EventParticipation.State.IN)
    rows = list(parts.order_by("public_id").values_list("public_id", "enrollment__vehicle__owner"))
    numbers = {owner: str(place) for place, owner in enumerate(sorted({owner for _part, owner in rows}))}
    since = _events_since_drawn(numbers, event)
    candidates = [Candidate(str(part), numbers[owner], since.get(owner)) for part, owner in rows]
    draw = draw_control_group(candidates=candidates, share=Fraction(share, 100), seed=secrets.token_hex(16))
    parts.filter(public_id__in=draw.cars).update(state=EventParticipation.State.CONTROL)
    logger.info("event %s: %d of %d cars drawn by seed %s", event.public_id, len(draw.cars), len(rows), draw.seed)
    return ControlDraw.objects.create(
        event=event,
        method=draw.method,
        method_version=draw.version,
        seed=draw.seed,
        share_percent=share,
        eligible=draw.eligible,
        candidates=[[one.car, one.owner, one.events_since] for one in candidates],
        drawn=list(draw.cars),
        drawn_at=now,
    )


def draw_again(kept: ControlDraw) -> Draw:
    """Return the draw as its kept seed and candidates give it; raises ValueError for a method that is not known."""
    if (kept.method, kept.method_version) != (METHOD, VERSION):
        raise ValueError(f"There is no draw {kept.method!r} version {kept.method_version}.")
    return draw_control_group(
        candidates=[Candidate(car, owner, since) for car, owner, since in kept.candidates],
        share=Fraction(kept.share_percent, 100),
        seed=kept.seed,
    )


def _events_since_drawn(owners: Collection[int], event: GridEvent) -> dict[int, int]:
    """Return by owner in how many events before they took part since they were last drawn; who never was has none."""
    mine = EventParticipation.objects.filter(
        enrollment__vehicle__owner__in=owners, event__cancelled_at__isnull=True, state__in=COUNTS
    ).exclude(event=event)
    drawn = mine.filter(state=EventParticipation.State.CONTROL).values_list("enrollment__vehicle__owner")
    last = dict(drawn.annotate(last=Max("invited_at")))
    events: dict[int, set[int]] = {owner: set() for owner in last}
    later = mine.filter(enrollment__vehicle__owner__in=last)
    for owner, one, invited_at in later.values_list("enrollment__vehicle__owner", "event", "invited_at"):
        if invited_at > last[owner]:
            events[owner].add(one)
    return {owner: len(found) for owner, found in events.items()}
