"""Telling owners about an event."""

from collections.abc import Iterable
from datetime import datetime

from accounts.flows.notices import notify_all
from grid.models import GridEvent


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
