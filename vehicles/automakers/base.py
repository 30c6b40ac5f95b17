"""The contract that every automaker's adapter fulfils: what a car can do, what it says, what it is told.

An adapter knows neither Django nor models: credentials, transport and clock come in through `Tools`. Units are
percent, W, Wh, km, degrees and aware UTC; strings, sentinels and zone-less times are turned into these at the edge,
and what cannot be read becomes None rather than a guess.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import requests

if TYPE_CHECKING:
    from vehicles.automakers.push import Push, StreamPlan, WebhookAnswer

T = TypeVar("T")


class LinkKind(StrEnum):
    """How an owner gives access."""

    REDIRECT = "redirect"
    DEVICE_CODE = "device_code"
    HOSTED_PAGE = "hosted_page"


class HoldEnds(StrEnum):
    """Who ends a hold when we fall silent."""

    TIMED = "timed"  # the car ends it by itself at a time given with the command
    SCHEDULE = "schedule"  # a schedule stored in the car before the hold finishes the charge by departure
    START_STOP = "start_stop"  # nobody: only a later start command does, so our watchdog must
    NONE = "none"  # the car cannot be held


class ChargeState(StrEnum):
    """What the car is doing at the plug."""

    UNKNOWN = "unknown"
    UNPLUGGED = "unplugged"
    PLUGGED_IDLE = "plugged_idle"
    CHARGING = "charging"
    HOLDING = "holding"  # idle because it was told to
    DISCHARGING = "discharging"
    COMPLETE = "complete"
    FAULT = "fault"


class Clock(Protocol):
    """Where time comes from. `foundation.clock` is one."""

    def now(self) -> datetime:
        """The platform's time, in which cars and prices live."""

    def wall(self) -> datetime:
        """The real time, in which tokens expire and servers ask to wait."""


@dataclass(frozen=True)
class Tools:
    """What an adapter works with instead of reaching out by itself."""

    open_session: Callable[[], requests.Session]
    mount_door: Callable[[requests.Session], None]
    clock: Clock


@dataclass(frozen=True)
class Capabilities:
    """What one car, under the scopes its owner granted, can do. The default is a car of which nothing is known."""

    link_kind: str = LinkKind.REDIRECT
    reads: tuple[str, ...] = ()
    can_start_stop: bool = False
    set_limit_percent: tuple[int, int, int] | None = None  # lowest, highest, step
    hold_ends: str = HoldEnds.NONE
    max_discharge_w: int = 0
    can_wake: bool = False
    can_schedule: bool = False  # keeps a charging schedule of ours, on which it starts by itself
    is_metered: bool = False
    pushes: tuple[str, ...] = ()  # "webhook", "stream": how values come without asking
    refusals: tuple[str, ...] = ()  # keys of `vehicles.wording.MESSAGES`: what the owner is told it cannot do, and why
    min_restart_soc_percent: int = 0  # below this SoC the maker does not let a stopped car start again
    min_poll_seconds: int = 900
    daily_budget: int | None = None  # calls a day
    budget_scope: str = "user"  # whose budget that is: "user" (all cars of the account together) or "vehicle"
    permits_discharge: bool = False  # a car's maker: a wall box may take energy from its battery
    worst_latency_seconds: int = 1800

    @property
    def can_hold(self) -> bool:
        """Whether charging can be paused at all."""
        return self.hold_ends != HoldEnds.NONE

    @property
    def needs_backstop(self) -> bool:
        """Whether a schedule must be stored in the car before it is held."""
        return self.hold_ends == HoldEnds.SCHEDULE

    @property
    def can_hold_until(self) -> bool:
        """Whether the car ends a hold by itself."""
        return self.hold_ends == HoldEnds.TIMED

    @property
    def can_discharge(self) -> bool:
        """Whether the car gives energy back; only cars that end a setpoint by themselves may."""
        return self.max_discharge_w > 0 and self.can_hold_until

    def as_json(self) -> dict[str, Any]:
        """Return the capabilities as the JSON object that `read_capabilities` reads."""
        return asdict(self)


def read_capabilities(record: Mapping[str, Any]) -> Capabilities:
    """Return the capabilities kept in `record`; keys that this version does not know are dropped."""
    known = {item.name: record[item.name] for item in fields(Capabilities) if item.name in record}
    for name in ("reads", "pushes", "refusals"):
        known[name] = tuple(known.get(name) or ())
    limit = known.get("set_limit_percent")
    known["set_limit_percent"] = tuple(limit) if limit else None
    return Capabilities(**known)


@dataclass(frozen=True)
class LinkBegin:
    """What a link starts from. `state` and `code_verifier` are one-time secrets of at most 16 and 128 characters."""

    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True)
class RedirectTo:
    """Send the owner's browser there."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class DeviceCode:
    """Let the owner type `user_code` at `verification_url`; ask for the grant every `interval_seconds` meanwhile."""

    user_code: str
    verification_url: str
    device_code: str = field(repr=False)
    interval_seconds: int
    expires_in_seconds: int


LinkStart = RedirectTo | DeviceCode


@dataclass(frozen=True)
class LinkCallback:
    """What came back from the maker's sign-in, or `{"device_code": ...}` to ask for the grant."""

    params: Mapping[str, str] = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True)
class Grant:
    """An owner's permission. Expiries are seconds from receipt; `subject` is "" where the maker names no account.

    Both tokens are opaque to everybody but the adapter. `extras` is whatever else it needs to open the account again
    (a container, a stream's password); a refresh that brings extras replaces those of the same name.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_in_seconds: int
    refresh_expires_in_seconds: int | None = None
    subject: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Account:
    """What opens an owner's account at the maker, for one or two calls."""

    access_token: str = field(repr=False)
    extras: Mapping[str, str] = field(default_factory=dict, repr=False)
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class VehicleRef:
    """A car as the maker lists it."""

    external_id: str = field(repr=False)
    make: str
    model: str
    model_year: int | None = None
    trim: str = ""
    nickname: str = ""
    vin: str = field(default="", repr=False)
    is_shared: bool = True  # the owner ticked this car at the maker
    is_electric: bool = True
    is_charger: bool = False  # a wall box that charges and discharges whatever car is at it; it has no VIN


@dataclass(frozen=True)
class CarAccess:
    """One car with a token that opens it, for one or two calls."""

    external_id: str = field(repr=False)
    access_token: str = field(repr=False)
    capabilities: Capabilities = field(default_factory=Capabilities)
    extras: Mapping[str, str] = field(default_factory=dict, repr=False)
    scopes: tuple[str, ...] = ()

    @property
    def account(self) -> Account:
        """The account that the car is reached through."""
        return Account(self.access_token, self.extras, self.scopes)


@dataclass(frozen=True)
class Backstop:
    """A schedule kept in the car: from `start_at` on it charges by itself, at this place, even if nobody says so."""

    start_at: datetime
    departure_at: datetime
    zone: str  # IANA name of the place's time zone: cars count in local time
    latitude: float = field(repr=False)
    longitude: float = field(repr=False)


@dataclass(frozen=True)
class Observed(Generic[T]):
    """One value, when the car saw it, when we fetched it, and how it came (poll, stream, webhook)."""

    value: T
    observed_at: datetime
    fetched_at: datetime
    source: str = "poll"


@dataclass(frozen=True)
class Place:
    """A position in degrees. Never logged, never stored beyond a comparison with the owner's home."""

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)


@dataclass(frozen=True)
class VehicleState:
    """What the car says; None = it did not say, or not believably. `power_w` > 0 charges, < 0 discharges."""

    soc_percent: Observed[float] | None = None
    limit_percent: Observed[float] | None = None
    range_km: Observed[float] | None = None
    is_plugged_in: Observed[bool] | None = None
    charge_state: Observed[str] | None = None
    power_w: Observed[int] | None = None
    imported_wh: Observed[int] | None = None
    exported_wh: Observed[int] | None = None
    place: Observed[Place] | None = None
    is_asleep: Observed[bool] | None = None

    @property
    def observed_at(self) -> datetime | None:
        """The newest instant at which the car said anything about its charge."""
        charge = (self.soc_percent, self.is_plugged_in, self.charge_state, self.power_w)
        return max((item.observed_at for item in charge if item is not None), default=None)


class ReceiptState(StrEnum):
    """What the maker says of a command."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    NOOP = "noop"


@dataclass(frozen=True)
class CommandReceipt:
    """The maker's word on a command; only a later reading says what the car did."""

    maker_command_id: str
    state: str
    submitted_at: datetime


class Automaker(Protocol):
    """One automaker. Every method may raise any of `vehicles.automakers.errors`.

    Commands say what is meant, not how: an adapter turns a hold into whatever its maker offers, and
    `capabilities(...).hold_ends` says who ends it. `until` is honoured only by cars whose holds are timed, `backstop`
    only (and then it is required) by those that keep a schedule. `defaults.Defaults` is a maker that offers nothing.
    """

    slug: str
    name: str
    link_kind: LinkKind

    def begin_link(self, begin: LinkBegin) -> LinkStart:
        """Start giving access."""

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Trade what came back for a grant.

        Raises AuthRevoked where it is not taken, LinkPending while the owner has yet to type the device code.
        """

    def refresh(self, refresh_token: str) -> Grant:
        """Trade the refresh token for a new grant; the old one may be dead afterwards. Raises AuthRevoked."""

    def revoke(self, *, access_token: str, refresh_token: str) -> None:
        """Give the grant back at the maker; nothing happens where the maker has no way to do it."""

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the cars behind the grant, with VINs where the maker tells them."""

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return what this car can do under this grant and the scopes in it."""

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return what is known of the car without waking it."""

    def wake(self, car: CarAccess) -> CommandReceipt:
        """Ask a sleeping car to report; costs its small battery, so only for a committed dispatch."""

    def hold(self, car: CarAccess, *, until: datetime, key: str, backstop: Backstop | None = None) -> CommandReceipt:
        """Pause charging, until `until` where the car can end it by itself."""

    def discharge(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        """Give `-power_w` back until `until`, never below the floor; raises NotSupported for any other car."""

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """End any hold or discharge of ours: the car charges as it would."""

    def set_limit(self, car: CarAccess, *, percent: int, key: str) -> CommandReceipt:
        """Have the car stop charging at `percent` by itself; within `capabilities.set_limit_percent`."""

    def command_status(self, car: CarAccess, maker_command_id: str) -> CommandReceipt:
        """Return the maker's word on an earlier command; raises NotSupported where it gives none."""

    def read_webhook(self, headers: Mapping[str, str], raw_body: bytes) -> "WebhookAnswer":
        """Verify a push by its signature over the raw bytes and return what it says; raises WebhookRefused."""

    def open_stream(self, account: Account) -> "StreamPlan":
        """Return where the account's values are streamed; raises NotSupported where they are not."""

    def read_message(self, topic: str, payload: bytes) -> "list[Push]":
        """Return what one message of the stream says; anything unreadable is left out."""
