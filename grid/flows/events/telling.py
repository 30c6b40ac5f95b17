"""Telling owners about an event."""

from collections.abc import Iterable
from datetime import datetime

from accounts.flows.notices import notify_all, told_of
from grid.models import GridEvent

FIRST_NEWS = ("event_announced", "event_left_alone")


def tell(event: GridEvent, *, kind: str, owner_ids: Iterable[int], now: datetime, mark: str = "", **more: str) -> None:
    """Tell owners about the event, each once a kind and version of the event; `mark` tells later times apart."""
    utility = event.terms.program.utility
    params = {
        "program": event.terms.program.name,
        "event": str(event.public_id),
        "kind": event.kind,
        "starts_at": event.starts_at.isoformat(),
        "ends_at": event.ends_at.isoformat(),
        "reward_micros": event.reward_micros_per_kwh,
        "currency": utility.currency,
        **more,
    }
    key = f"{kind}:{event.public_id}:{event.version}{mark}"
    notify_all(user_ids=owner_ids, kind=kind, key=key, params=params, now=now)


def owners_told(event: GridEvent, owner_ids: Iterable[int]) -> set[int]:
    """Return which of the owners know of the event.

    The event's own state does not say: some hundred owners are told at a time, and it is announced when all are.
    """
    return told_of(user_ids=owner_ids, key_starts=[f"{kind}:{event.public_id}:" for kind in FIRST_NEWS])
