"""The thread that pushes: notices what changed in cars and consents, and posts it to the platform, signed.

Simulated time says what is true; signatures, retries and delays run in real time, as at the real thing.
"""

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import requests
from django.db import close_old_connections, transaction

from sandbox.cars import garage
from sandbox.cars.models import Car
from sandbox.makers.dialects.honda import webhooks as honda
from sandbox.makers.dialects.smartcar import webhooks as smartcar
from sandbox.makers.models import Delivery, Grant, Maker
from sandbox.world import clock, config

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
TIMEOUT_SECONDS = 10.0
MOST_A_ROUND = 100
MOST_ATTEMPTS = 20
MOST_BACKOFF_SECONDS = 60
KEPT_DELIVERIES = 5000
# Switches of a maker's webhook; lateSeconds is a number, the others are on or off. `url` listens besides the
# environment's, for tests that open an ear of their own.
SWITCHES = ("twice", "outOfOrder", "testMode", "badSignature", "outage")
_stopped = threading.Event()


class Pusher(Protocol):
    """How one maker writes and signs what it pushes."""

    MOST_A_POST: int

    def sign_of(self, car: Car) -> str:
        """Return what changes when the car's state is worth telling."""

    def actions_of(self, car: Car, *, now: datetime) -> dict[str, dict[str, Any]]:
        """Return the commands whose outcome is told, by id."""

    def write_state(self, grant: Grant, car: Car, *, now: datetime) -> dict[str, Any]:
        """Return the event for a state."""

    def write_action(self, grant: Grant, car: Car, action: dict[str, Any], *, now: datetime) -> dict[str, Any]:
        """Return the event for a command."""

    def write_change(self, grant: Grant, kind: str, vehicle_id: str, *, now: datetime) -> dict[str, Any] | None:
        """Return the event for a car `added` or `gone`, or a grant `revoked`; None where the maker tells none."""

    def write_body(self, events: Sequence[tuple[str, dict[str, Any]]], *, is_test: bool) -> bytes:
        """Return one delivery's body from events and their ids."""

    def write_headers(self, body: bytes, *, secret: str, wall: datetime) -> dict[str, str]:
        """Return the headers that sign the body."""


PUSHERS: dict[str, Pusher] = {"honda": honda, "smartcar": smartcar}


@dataclass(frozen=True)
class Target:
    """Where a maker pushes to, what it signs with, and how it writes."""

    url: str
    secret: str
    pusher: Pusher


def targets() -> dict[str, Target]:
    """Return the makers that have somewhere to push to (SANDBOX_<MAKER>_WEBHOOK_URL and _WEBHOOK_SECRET)."""
    found = {}
    for maker in Maker.objects.filter(slug__in=PUSHERS):
        url, secret = config.webhook_of(maker.slug)
        if url := maker.webhook_faults.get("url") or url:
            found[maker.slug] = Target(url, secret, PUSHERS[maker.slug])
    return found


def start() -> threading.Thread:
    """Start the thread (once a process) and return it; it ends with the process, or at `stop()`."""
    _stopped.clear()
    thread = threading.Thread(target=_run, name="maker-deliverer", daemon=True)
    thread.start()
    return thread


def stop() -> None:
    """Tell the thread to end after its round."""
    _stopped.set()


def _run() -> None:
    session = requests.Session()
    session.trust_env = False
    while not _stopped.wait(TICK_SECONDS):
        try:
            run_once(session)
        except Exception:  # the thread must outlive whatever one round meets
            logger.exception("a round of the makers' deliverer failed")
        finally:
            close_old_connections()


def run_once(session: requests.Session) -> None:
    """Notice what changed and deliver what is due, for every maker that has a listener."""
    for slug, target in targets().items():
        notice_changes(slug, now=clock.now())
        deliver_due(slug, target, wall=clock.wall(), session=session)


def notice_changes(slug: str, *, now: datetime) -> int:
    """Queue an event for whatever changed since the last look; return how many."""
    pusher, maker = PUSHERS[slug], Maker.objects.get(slug=slug)
    count = 0
    for grant in maker.grants.select_related("owner", "maker").order_by("-id")[:200]:
        if grant.revoked_at is not None and grant.told.get("revoked"):
            continue
        with transaction.atomic():
            events, told = _changes(pusher, grant, now=now)
            if events or told != grant.told:
                Grant.objects.filter(pk=grant.pk).update(told=told)
            count += _queue(maker, events)
    return count


def _changes(pusher: Pusher, grant: Grant, *, now: datetime) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the events to tell and what will have been told with them."""
    before = grant.told.get("cars", {})
    if grant.revoked_at is not None:
        event = pusher.write_change(grant, "revoked", next(iter(before), ""), now=grant.revoked_at)
        return [event] if event else [], grant.told | {"revoked": True}
    events: list[dict[str, Any] | None] = []
    after: dict[str, Any] = {}
    for row in grant.cars.filter(is_sold=False)[:50]:
        car = garage.look_at(row.vehicle_id, now=now)
        known = before.get(car.vehicle_id, {})
        if before and not known:
            events.append(pusher.write_change(grant, "added", car.vehicle_id, now=now))
        sign, actions = pusher.sign_of(car), pusher.actions_of(car, now=now)
        if sign != known.get("sign"):
            events.append(pusher.write_state(grant, car, now=now))
        for action_id, action in reversed(actions.items()):
            if known and known.get("actions", {}).get(action_id) != action["state"]:
                events.append(pusher.write_action(grant, car, action, now=now))
        after[car.vehicle_id] = {"sign": sign, "actions": {key: item["state"] for key, item in actions.items()}}
    events += [pusher.write_change(grant, "gone", gone, now=now) for gone in before.keys() - after.keys()]
    return [event for event in events if event is not None], grant.told | {"cars": after}


def _queue(maker: Maker, events: Sequence[dict[str, Any]]) -> int:
    wall = clock.wall()
    due_at = wall + timedelta(seconds=float(maker.webhook_faults.get("lateSeconds") or 0))
    Delivery.objects.bulk_create(
        Delivery(maker=maker, event_id=str(uuid.uuid4()), body=event, made_at=wall, next_attempt_at=due_at)
        for event in events
    )
    newest = Delivery.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if events:
        Delivery.objects.filter(pk__lte=newest - KEPT_DELIVERIES).delete()
    return len(events)


def deliver_due(slug: str, target: Target, *, wall: datetime, session: requests.Session) -> int:
    """Try every due event once; return how many got through."""
    maker = Maker.objects.get(slug=slug)
    faults = maker.webhook_faults
    due = list(maker.deliveries.filter(next_attempt_at__lte=wall).order_by("pk")[:MOST_A_ROUND])
    if faults.get("outOfOrder"):
        if len(due) < 2:
            return 0  # a single event has no order yet
        due.reverse()
    delivered = 0
    most = target.pusher.MOST_A_POST
    for batch in (due[first : first + most] for first in range(0, len(due), most)):
        call = _write(target, batch, faults, wall=wall)
        failure = "webhook outage" if faults.get("outage") else _post(session, call)
        if not failure and faults.get("twice"):
            _post(session, call)
        for delivery in batch:
            _note(delivery, failure, wall=wall)
        delivered += 0 if failure else len(batch)
        if failure:
            break  # whoever does not answer one will not answer the next
    return delivered


def _write(
    target: Target, batch: Sequence[Delivery], faults: dict[str, Any], *, wall: datetime
) -> requests.PreparedRequest:
    """Return one delivery, signed."""
    events = [(delivery.event_id, delivery.body) for delivery in batch]
    body = target.pusher.write_body(events, is_test=bool(faults.get("testMode")))
    secret = "not-the-secret" if faults.get("badSignature") else target.secret
    headers = {"Content-Type": "application/json"} | target.pusher.write_headers(body, secret=secret, wall=wall)
    return requests.Request("POST", target.url, data=body, headers=headers).prepare()


def _post(session: requests.Session, call: requests.PreparedRequest) -> str:
    """Send one delivery; return "" or why it failed."""
    try:
        reply = session.send(call, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__
    return "" if reply.ok and not reply.is_redirect else f"HTTP {reply.status_code}"


def _note(delivery: Delivery, failure: str, *, wall: datetime) -> None:
    attempts = delivery.attempts + 1
    changes: dict[str, Any] = {"attempts": attempts, "failure": failure, "next_attempt_at": None}
    if not failure:
        changes["delivered_at"] = wall
    elif attempts < MOST_ATTEMPTS:
        changes["next_attempt_at"] = wall + timedelta(seconds=min(2**attempts / 2, MOST_BACKOFF_SECONDS))
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
