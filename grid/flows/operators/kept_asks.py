"""What a utility's event asks, as it is kept with the event: it stands whatever the server's next message is."""

from datetime import datetime
from typing import Any

from grid.models import OperatorEvent
from grid.operators.base import Ask, Asked, AskKind


def write_asks(asked: Asked) -> list[dict[str, Any]]:
    """Return what is asked as it is kept with the event."""
    return [
        {
            "kind": str(ask.kind),
            "starts_at": ask.starts_at.isoformat(),
            "ends_at": ask.ends_at.isoformat(),
            "target_w": ask.target_w,
            "randomize_seconds": ask.randomize_seconds,
            "is_emergency": ask.is_emergency,
            "is_open_ended": ask.is_open_ended,
        }
        for ask in asked.asks
    ]


def read_asks(row: OperatorEvent) -> list[Ask]:
    """Return what the event asks as it was last understood."""
    return [
        Ask(
            kind=AskKind(kept["kind"]),
            starts_at=datetime.fromisoformat(kept["starts_at"]),
            ends_at=datetime.fromisoformat(kept["ends_at"]),
            target_w=kept["target_w"],
            randomize_seconds=kept["randomize_seconds"],
            is_emergency=kept["is_emergency"],
            is_open_ended=kept["is_open_ended"],
        )
        for kept in row.wanted.get("asks", [])
    ]
