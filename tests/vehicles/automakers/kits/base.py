"""A maker as the contract suite sees it: credentials, recorded answers, where they are served, what they mean."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from foundation.http import mount_door, open_session
from vehicles.automakers.base import Account, Automaker, Backstop, Capabilities, CarAccess, LinkKind, Tools
from vehicles.automakers.errors import AutomakerError
from vehicles.automakers.registry import AUTOMAKERS

RECORDINGS = Path(__file__).parents[3] / "recordings"
NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
UNTIL = datetime(2026, 11, 18, 23, 20, tzinfo=UTC)
BASE = "https://maker.test"

BACKSTOP = Backstop(
    start_at=datetime(2026, 11, 19, 8, 0, tzinfo=UTC),
    departure_at=datetime(2026, 11, 19, 13, 30, tzinfo=UTC),
    zone="America/Chicago",
    latitude=30.2672,
    longitude=-97.7431,
)

Operation = Callable[[Automaker, CarAccess], Any]
# Everything a car can be told. A kit names those that its maker offers; the others must be refused unasked.
OPERATIONS: dict[str, Operation] = {
    "hold": lambda maker, car: maker.hold(car, until=UNTIL, key="k", backstop=BACKSTOP),
    "resume": lambda maker, car: maker.resume(car, key="k"),
    "discharge": lambda maker, car: maker.discharge(car, power_w=-5000, floor_soc_percent=30, until=UNTIL, key="k"),
    "set_limit": lambda maker, car: maker.set_limit(car, percent=80, key="k"),
    "wake": lambda maker, car: maker.wake(car),
}


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
class Told:
    """One way to tell a car something: the operation, what is asked for it in order, and a car that can do it."""

    operation: str
    asks: tuple[str, ...]
    can: Capabilities
    is_noop_when_gone: bool = False  # a 404 of the last ask means that there was nothing to end
    has_command_id: bool = True


@dataclass(frozen=True)
class Kit:
    """One maker. `asks` maps a name to (method, url, recording); a list or state may take several asks.

    `differs` maps an HTTP status of a command's last ask to the error that this maker means by it, or to None where
    the maker never says it. `state` is what the recorded state must read as, by field of VehicleState.
    """

    slug: str
    credentials: dict[str, str]
    asks: dict[str, tuple[str, str, str]]
    car_id: str
    told: Mapping[str, Told]
    lists: tuple[str, ...]
    cars: tuple[tuple[int | None, bool, bool, str], ...]  # year, shared, electric, VIN
    reads: tuple[str, ...]
    state: Mapping[str, Any]
    finds: tuple[str, ...]  # what is asked for a car's capabilities
    richest: Capabilities  # of the car whose state is recorded
    token_url: str
    link_kind: LinkKind = LinkKind.REDIRECT
    sign_in_url: str = ""
    has_pkce: bool = True
    longest_state: int = 128
    access_token: str = "access-one"
    refresh_token: str = "refresh-one"
    refreshed_token: str = "refresh-two"
    token_seconds: int = 1200
    refresh_grant_type: str = "refresh_token"
    has_secret: bool = True
    extras: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    differs: Mapping[int, type[AutomakerError] | None] = field(default_factory=dict)
    lists_extra: tuple[tuple[str, str, int], ...] = ()  # (method, url, status) that the list asks besides
    secrets: tuple[str, ...] = ()
    has_key: bool = True  # commands carry the idempotency key

    def adapter(self, session: Callable[[], requests.Session] = open_session) -> Automaker:
        """Make the adapter with a fixed clock."""
        return AUTOMAKERS[self.slug](self.credentials, Tools(session, mount_door, FixedClock()))

    def car(self, can: Capabilities | None = None) -> CarAccess:
        """Return the recorded car with a token."""
        return CarAccess(self.car_id, self.access_token, can or self.richest, self.extras, self.scopes)

    @property
    def account(self) -> Account:
        """The recorded account."""
        return Account(self.access_token, self.extras, self.scopes)
