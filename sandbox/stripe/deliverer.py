"""The thread that moves time's consequences along: payouts reach the bank, webhooks reach their listener."""

import hashlib
import hmac
import itertools
import json
import logging
import threading
from datetime import datetime, timedelta

import requests
from django.db import close_old_connections

from sandbox.stripe import bank, faults, idempotency, wire
from sandbox.stripe.models import Event, Fault
from sandbox.world import clock, config

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
PRUNE_EVERY = 240  # ticks: old keys are dropped once a minute
TIMEOUT_SECONDS = 10.0
MAX_A_ROUND = 50
MAX_ATTEMPTS = 30
MAX_BACKOFF_SECONDS = 60
_stopped = threading.Event()


def start() -> threading.Thread:
    """Start the thread (once a process) and return it; it ends with the process, or at `stop()`."""
    _stopped.clear()
    bank.open_platform_balance()
    thread = threading.Thread(target=_run, name="stripe-deliverer", daemon=True)
    thread.start()
    return thread


def stop() -> None:
    """Tell the thread to end after its round."""
    _stopped.set()


def sign(body: bytes, *, secret: str, wall: datetime) -> str:
    """Return the Stripe-Signature header of `body`: HMAC-SHA256 over the time and the raw bytes."""
    stamp = int(wall.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def deliver_due(*, wall: datetime, session: requests.Session) -> int:
    """Try every due delivery once, oldest first; return how many got through."""
    due = Event.objects.filter(next_attempt_at__lte=wall).order_by("pk")[:MAX_A_ROUND]
    outage = faults.is_webhook_outage(wall=wall)
    delivered = 0
    for event in list(due):
        failure = "webhook outage" if outage else _post(event, wall=wall, session=session)
        if not failure and faults.take(Fault.Kind.WEBHOOK_TWICE):
            _post(event, wall=wall, session=session)
        _note(event, failure, wall)
        delivered += not failure
        if failure == "timed out":
            break  # a listener that hangs would hold up the payouts, too
    return delivered


def _post(event: Event, *, wall: datetime, session: requests.Session) -> str:
    """Send one event; return "" or why it failed."""
    body = json.dumps(wire.event(event), indent=None if event.is_thin else 2).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": sign(body, secret=config.STRIPE_WEBHOOK_SECRET, wall=wall),
    }
    try:
        reply = session.post(
            config.STRIPE_WEBHOOK_URL, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.Timeout:
        return "timed out"
    except requests.RequestException as error:
        return type(error).__name__
    return "" if reply.ok and not reply.is_redirect else f"HTTP {reply.status_code}"


def _note(event: Event, failure: str, wall: datetime) -> None:
    attempts = event.attempts + 1
    changes: dict[str, object] = {"attempts": attempts, "failure": failure}
    if not failure:
        changes |= {"delivered_at": wall, "next_attempt_at": None}
    elif attempts >= MAX_ATTEMPTS:
        changes |= {"next_attempt_at": None}
    else:
        changes |= {"next_attempt_at": wall + timedelta(seconds=min(2**attempts / 2, MAX_BACKOFF_SECONDS))}
    Event.objects.filter(pk=event.pk).update(**changes)


def _run() -> None:
    session = requests.Session()
    session.trust_env = False
    for tick in itertools.count():
        if _stopped.wait(TICK_SECONDS):
            return
        try:
            bank.run_due(now=clock.now())
            if tick % PRUNE_EVERY == 0:
                idempotency.prune(wall=clock.wall())
            if config.STRIPE_WEBHOOK_URL:
                deliver_due(wall=clock.wall(), session=session)
        except Exception:  # the thread must outlive whatever one round meets
            logger.exception("a round of the deliverer failed")
        finally:
            close_old_connections()
