"""Recording what happened, to be listed and delivered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.stripe.accounts import account_v1
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, Event
from sandbox.world import clock, config

CAPABILITY_UPDATED = "v2.core.account[configuration.recipient].capability_status_updated"
REQUIREMENTS_UPDATED = "v2.core.account[requirements].updated"


@dataclass(frozen=True)
class Cause:
    """The request that made something happen; empty where it happened by itself."""

    request_id: str = ""
    idempotency_key: str = ""


BY_ITSELF = Cause()


def record(
    kind: str,
    body: dict[str, Any],
    *,
    at: datetime,
    account: Account | None = None,
    previous: dict[str, Any] | None = None,
    cause: Cause = BY_ITSELF,
) -> Event:
    """Record a v1 event with the snapshot `body`, due for delivery where somebody listens."""
    return _create(kind, body=body, previous=previous or {}, at=at, account=account, cause=cause, is_thin=False)


def record_thin(
    kind: str, *, account: Account, at: datetime, data: dict[str, Any] | None = None, cause: Cause = BY_ITSELF
) -> Event:
    """Record a v2 event about `account`."""
    return _create(kind, body=data or {}, previous={}, at=at, account=account, cause=cause, is_thin=True)


def record_account_change(account: Account, *, at: datetime, capability: bool, cause: Cause = BY_ITSELF) -> None:
    """Record that an account's requirements, and where `capability` says so its capability's status, changed."""
    if capability:
        data = {"updated_capability": "stripe_balance.stripe_transfers"}
        record_thin(CAPABILITY_UPDATED, account=account, at=at, data=data, cause=cause)
    record_thin(REQUIREMENTS_UPDATED, account=account, at=at, cause=cause)
    record("account.updated", account_v1(account), at=at, account=account, cause=cause)


def _create(kind: str, *, cause: Cause, at: datetime, **values: Any) -> Event:
    return Event.objects.create(
        object_id=new_id("evt"),
        kind=kind,
        created_at=at,
        request_id=cause.request_id,
        idempotency_key=cause.idempotency_key,
        next_attempt_at=clock.wall() if config.STRIPE_WEBHOOK_URL else None,
        **values,
    )
