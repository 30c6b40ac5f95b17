"""The fleet's cars that the tests of the pretend automaker speak about, and the time they play at."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sandbox.ford_client import FordClient
from tests.sandbox.maker_client import MakerClient

ALICE = "alice@ford.sandbox"
BOB = "bob@ford.sandbox"
ALICES_TRUCK = "918ed353ee060391de06cbdaccdafe5a"  # partner extension, V2G
ALICES_MACH_E = "dfdd5800544ca750061800f671470817"  # start and stop only
BOBS_MACH_E = "294e4fc159e7bd809e559f5a6774e4bd"  # partner extension, no discharge

START = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)


def step(client: FordClient | MakerClient, **span: float) -> datetime:
    """Move the standing clock forward."""
    now = datetime.fromisoformat(client.sandbox.control("GET", "clock")["now"]) + timedelta(**span)
    client.sandbox.control("PUT", "clock", simulated_at=now.isoformat(), rate=0)
    return now


def truth(ford: FordClient, vehicle_id: str) -> dict[str, Any]:
    """Return the car's true state."""
    state: dict[str, Any] = ford.sandbox.control("GET", f"cars/{vehicle_id}")
    return state


def at(**span: float) -> str:
    """Return an instant after START as the wire wants it."""
    return (START + timedelta(**span)).isoformat().replace("+00:00", "Z")
