"""What makers send without being asked: signed webhooks and streams, in the contract's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from vehicles.automakers.base import CommandReceipt, VehicleState


class PushKind(StrEnum):
    """What a message is about."""

    STATE = "state"  # new values of a car
    CAR_ADDED = "car_added"  # a car came into the account
    CAR_GONE = "car_gone"  # a car left the account
    COMMAND = "command"  # how a command fares
    LINK_REVOKED = "link_revoked"  # the owner withdrew the permission at the maker


@dataclass(frozen=True)
class Push:
    """One verified message. `event_id` tells repeats apart; `subject` is the maker's name for the account, if any.

    `occurred_at` is when it became true at the maker, where it says so: messages may come late and out of order.
    """

    kind: str
    event_id: str
    external_id: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    state: VehicleState | None = None
    receipt: CommandReceipt | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True)
class WebhookAnswer:
    """What a webhook said, and the JSON that its sender expects back (a hashed challenge, for instance)."""

    pushes: Sequence[Push] = ()
    reply: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class StreamPlan:
    """Where to listen over MQTT with TLS. The password lives until `expires_at` (wall time); connect again before."""

    host: str
    port: int
    username: str = field(repr=False)
    password: str = field(repr=False)
    topics: tuple[str, ...] = field(repr=False)
    expires_at: datetime
    ca_file: str = ""  # "": the system's authorities
