"""What makers say without being asked: verified by the adapter, applied once, in whatever order it arrives.

Nothing here calls a maker: a message leaves readings, or a due row for the sweep that asks.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from foundation import clock
from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from vehicles import gateway
from vehicles.automakers.errors import AutomakerError, NotSupported, WebhookRefused
from vehicles.automakers.push import Push, PushKind
from vehicles.flows import cars, partial, receipts, telemetry
from vehicles.models import ChargeReading, Command, MakerMessage, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

MOST_BODY_BYTES = 256 * 1024
MOST_PUSHES = 500
# Makers that push are asked again only when they have fallen silent for so long.
PUSHED_PAUSE = timedelta(hours=1)
_ENDING = (PushKind.LINK_REVOKED, PushKind.CAR_GONE)
REMEMBERED = timedelta(days=14)  # the longest that a sender is known to repeat is 26 hours


class UnableToReceive(Refusal):
    """The message was dropped and nothing of it kept."""


def receive_push(*, maker: str, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> Mapping[str, Any] | None:
    """Apply what a maker's signed webhook says and return what its sender expects to be answered, if anything.

    A message that was applied before changes nothing, nor does one about cars that are not ours. Raises
    UnableToReceive where no maker of ours signed these bytes; nothing is kept then.
    """
    if len(raw_body) > MOST_BODY_BYTES:
        raise UnableToReceive("The message is too long.", code="too_long")
    try:
        answer = gateway.adapter(maker).read_webhook(headers, raw_body)
    except NotSupported:
        raise UnableToReceive("No messages are expected here.", code="not_expected") from None
    except WebhookRefused:
        raise UnableToReceive("The message is not signed as it must be.", code="not_genuine") from None
    except AutomakerError:
        raise UnableToReceive("The message cannot be read.", code="unreadable") from None
    applied = apply_pushes(maker=maker, pushes=answer.pushes[:MOST_PUSHES], source="webhook", now=now)
    logger.info("%s pushed %d messages, %d applied", maker, len(answer.pushes), applied)
    return answer.reply


def apply_pushes(
    *, maker: str, pushes: Sequence[Push], source: str, now: datetime, link: VehicleLink | None = None
) -> int:
    """Apply verified messages, each once, and return how many changed anything; `link` narrows them to one account."""
    return sum(_apply_once(maker, push, source=source, now=now, link=link) for push in pushes)


def _apply_once(maker: str, push: Push, *, source: str, now: datetime, link: VehicleLink | None) -> bool:
    # Two owners may share an account, and then each hears the same message once.
    event_id = f"{link.pk}:{push.event_id}" if link is not None else push.event_id
    with transaction.atomic():  # a message counts as known only if it was applied whole
        if push.event_id and not _is_new(maker, event_id):
            return False
        return _apply(maker, push, source=source, now=now, link=link)


def _is_new(maker: str, event_id: str) -> bool:
    _, is_new = MakerMessage.objects.get_or_create(
        maker=maker, event_hash=keyed_hash(f"{maker}:{event_id}"), defaults={"received_at": clock.wall()}
    )
    return is_new


def _apply(maker: str, push: Push, *, source: str, now: datetime, link: VehicleLink | None) -> bool:
    links = _links_of(maker, push, link)
    if push.occurred_at is not None and push.kind in _ENDING:  # late news of a permission that was given again since
        links = [row for row in links if row.linked_at <= push.occurred_at]
    if push.kind == PushKind.LINK_REVOKED:
        for row in links:
            gateway.mark_needs_relink(row, reason="revoked_at_maker")
        return bool(links)
    if push.kind == PushKind.CAR_ADDED:
        return bool(VehicleLink.objects.filter(pk__in=[row.pk for row in links]).update(listed_at=None))
    changed = [_apply_to_car(car, push, source=source, now=now) for car in _cars_of(maker, push, links)]
    return any(changed)


def _links_of(maker: str, push: Push, link: VehicleLink | None) -> list[VehicleLink]:
    rows = VehicleLink.objects.filter(maker=maker, state=VehicleLink.State.ACTIVE)
    if link is not None:
        rows = rows.filter(pk=link.pk)
    elif push.subject:
        rows = rows.filter(subject_hash=keyed_hash(f"{maker}:{push.subject}"))
    elif push.external_id:
        rows = rows.filter(vehicles__external_id_hash=keyed_hash(f"{maker}:{push.external_id}")).distinct()
    else:
        return []
    return list(rows[:50])


def _cars_of(maker: str, push: Push, links: Sequence[VehicleLink]) -> list[Vehicle]:
    if not push.external_id:
        return []
    rows = Vehicle.objects.filter(link__in=links, external_id_hash=keyed_hash(f"{maker}:{push.external_id}"))
    return list(rows.exclude(state=Vehicle.State.UNLINKED).select_related("link", "owner")[:50])


def _apply_to_car(car: Vehicle, push: Push, *, source: str, now: datetime) -> bool:
    if push.kind == PushKind.CAR_GONE:
        was_active = car.state == Vehicle.State.ACTIVE
        cars.let_go(car, now=now)
        if was_active:
            cars.tell_car_left(car, reason="no_longer_in_account", now=now)
        return True
    if car.state != Vehicle.State.ACTIVE:
        return False
    if push.kind == PushKind.COMMAND and push.receipt is not None:
        return receipts.take_receipt(vehicle=car, receipt=push.receipt, now=now) is not None
    if push.kind == PushKind.STATE and push.state is not None and telemetry.may_read(car):
        return _keep(car, push, source=source, now=now)
    return False


def _keep(car: Vehicle, push: Push, *, source: str, now: datetime) -> bool:
    assert push.state is not None
    state = partial.completed(push.state, before=telemetry.latest_reading(car))
    if state.observed_at is None or state.observed_at > now + partial.CLOCKS_DIFFER:
        return False
    reading = telemetry.record_state(vehicle=car, state=state, now=now, source=source)
    _look_later(car, reading, now=now)
    return True


def _look_later(car: Vehicle, reading: ChargeReading | None, *, now: datetime) -> None:
    """Put the next reading off where the push told enough; have one soon where it left something open."""
    if reading is None or reading.soc_percent is None or reading.is_plugged_in is None:
        telemetry.ask_reading(vehicle=car, by=now + timedelta(seconds=car.can.min_poll_seconds))
        return
    if Command.objects.filter(vehicle=car, state__in=Command.UNFINISHED).exists():
        return  # what was commanded is looked at as planned
    if car.can.can_hold and reading.is_plugged_in and reading.is_at_home is not False:
        return  # steering needs values of the last half hour, so `telemetry` goes on asking when no push comes
    later = now + max(PUSHED_PAUSE, timedelta(seconds=car.can.min_poll_seconds))
    Vehicle.objects.filter(pk=car.pk, state=Vehicle.State.ACTIVE).update(read_failure="", read_failures=0)
    Vehicle.objects.filter(pk=car.pk, state=Vehicle.State.ACTIVE, next_read_at__lt=later).update(next_read_at=later)


def forget_old_messages() -> int:
    """Forget which messages were applied once no sender repeats them any more; returns how many."""
    count, _ = MakerMessage.objects.filter(received_at__lt=clock.wall() - REMEMBERED).delete()
    return count
