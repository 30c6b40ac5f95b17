"""What most makers do not offer. An adapter inherits this and overrides what its maker does."""
# ruff: noqa: ARG002 - the signatures are the contract's

from collections.abc import Mapping
from datetime import datetime

from vehicles.automakers.base import Account, Backstop, CarAccess, CommandReceipt
from vehicles.automakers.errors import NotSupported
from vehicles.automakers.push import Push, StreamPlan, WebhookAnswer


class Defaults:
    """Every command and push refused as not supported, and nothing to give back.

    `idle_days` is how long a grant lives that nobody uses; 0: for ever, because its tokens are our own app's.
    """

    idle_days = 90

    def revoke(self, *, access_token: str, refresh_token: str) -> None:
        """Do nothing: the maker has no address for it, and the grant lapses by itself."""

    def wake(self, car: CarAccess) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("wake")

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,
        key: str,
        backstop: Backstop | None = None,
    ) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("hold")

    def discharge(
        self,
        car: CarAccess,
        *,
        power_w: int,
        floor_soc_percent: int,
        until: datetime,
        key: str,
    ) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("discharge")

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("resume")

    def set_limit(self, car: CarAccess, *, percent: int, key: str) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("set_limit")

    def command_status(self, car: CarAccess, maker_command_id: str) -> CommandReceipt:
        """Refuse."""
        raise NotSupported("command_status")

    def read_webhook(self, headers: Mapping[str, str], raw_body: bytes) -> WebhookAnswer:
        """Refuse."""
        raise NotSupported("webhook")

    def open_stream(self, account: Account) -> StreamPlan:
        """Refuse."""
        raise NotSupported("stream")

    def read_message(self, topic: str, payload: bytes) -> list[Push]:
        """Refuse."""
        raise NotSupported("stream")
