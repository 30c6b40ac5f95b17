"""What the contract suite needs to know of each maker: its credentials, its recorded answers and where they are served.

A new maker adds one kit here; the suite refuses a registered maker without one.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from foundation.http import mount_door, open_session
from tests.vehicles.maker_double import credentials
from vehicles.automakers.base import Automaker, Capabilities, CarAccess, HoldEnds, Tools
from vehicles.automakers.registry import AUTOMAKERS

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
BASE = "https://maker.test"
CAR = "918ed353ee060391de06cbdaccdafe5a"


class FixedClock:
    """Time stands still; simulated and wall time differ, so that mixing them up shows."""

    def now(self) -> datetime:
        """The platform's time."""
        return NOW

    def wall(self) -> datetime:
        """The real time, five years on."""
        return NOW.replace(year=2031)


def recording(maker: str, name: str) -> Any:
    """Return a recorded answer."""
    return json.loads((RECORDINGS / maker / f"{name}.json").read_text())


@dataclass(frozen=True)
class Kit:
    """One maker's addresses: (method, url) by what is asked, and the recording that answers it."""

    slug: str
    credentials: dict[str, str]
    token_url: str
    asks: dict[str, tuple[str, str, str]]
    timed: Capabilities
    start_stop: Capabilities
    longest_state: int = 128

    def adapter(self, session: Callable[[], requests.Session] = open_session) -> Automaker:
        """Make the adapter with a fixed clock."""
        return AUTOMAKERS[self.slug](self.credentials, Tools(session, mount_door, FixedClock()))

    def car(self, can: Capabilities) -> CarAccess:
        """Return the recorded car with a token."""
        return CarAccess(external_id=CAR, access_token="access-one", capabilities=can)


_API, _PARTNER = f"{BASE}/ford/api/fordconnect/v3", f"{BASE}/ford/partner/v1"
_START_STOP = Capabilities(can_start_stop=True, hold_ends=HoldEnds.START_STOP)
_TIMED = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, max_discharge_w=9600)

KITS = {
    "ford": Kit(
        slug="ford",
        credentials=credentials(BASE),
        token_url=f"{BASE}/ford/oauth2/token",
        asks={
            "list": ("GET", f"{_API}/vehicles", "vehicles"),
            "vin": ("GET", f"{_API}/vehicles/{CAR}/vin", "vin"),
            "state": ("GET", f"{_API}/vehicles/{CAR}", "vehicle"),
            "fine_state": ("GET", f"{_PARTNER}/vehicles/{CAR}/telemetry", "telemetry"),
            "capabilities": ("GET", f"{_PARTNER}/vehicles/{CAR}/capabilities", "capabilities"),
            "stop": ("POST", f"{_API}/vehicles/{CAR}/stopCharge", "command"),
            "start": ("POST", f"{_API}/vehicles/{CAR}/startCharge", "command"),
            "wake": ("POST", f"{_API}/vehicles/{CAR}/status", "command"),
            "setpoint": ("POST", f"{_PARTNER}/vehicles/{CAR}/setpoint", "setpoint"),
            "release": ("DELETE", f"{_PARTNER}/vehicles/{CAR}/setpoint", "setpoint"),
        },
        timed=_TIMED,
        start_stop=_START_STOP,
        longest_state=16,
    ),
}
