"""Honda, by a partner contract of our own (docs/partners/honda.md): actions, timed holds, signed webhooks.

Sign-in per owner with PKCE. What a car is told is an *action*: accepted as PENDING, then CONFIRMED, FAILED (with a
reason) or CANCELLED; a newer action cancels the older one. State, actions and changes of the account are pushed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from vehicles.automakers import honda_answers, signatures
from vehicles.automakers.base import (
    Account,
    Backstop,
    Capabilities,
    CarAccess,
    CommandReceipt,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.errors import NotSupported
from vehicles.automakers.push import WebhookAnswer
from vehicles.automakers.redirecting import Redirecting
from vehicles.automakers.timed import check_may_discharge, check_may_hold, write_instant


class Honda(Redirecting):
    """The adapter of the partner contract."""

    slug = "honda"
    name = "Honda"

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        super().__init__(credentials, tools, scope=" ".join(honda_answers.SCOPES), subject_field="account_id")
        self.webhook_secret = credentials.get("webhook_secret", "")

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the account's cars; those the owner did not tick come without a VIN."""
        return honda_answers.read_vehicle_list(self.call("GET", f"{self.api_base}/vehicles", account.access_token))

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return what the car can do, less what the owner's scopes leave out."""
        body = self.call("GET", f"{self._car(external_id)}/capabilities", account.access_token)
        return honda_answers.read_capabilities_answer(
            body, scopes=account.scopes, has_webhook=bool(self.webhook_secret)
        )

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return the last known state; asking never wakes the car."""
        body = self.call("GET", f"{self._car(car.external_id)}/state", car.access_token)
        return honda_answers.read_state(body, now=self.tools.clock.now())

    def wake(self, car: CarAccess) -> CommandReceipt:
        """Have the car report."""
        if not car.capabilities.can_wake:
            raise NotSupported("wake")
        return self._act(car, {"kind": "WAKE"})

    def hold(
        self,
        car: CarAccess,
        *,
        until: datetime,
        key: str,
        backstop: Backstop | None = None,  # noqa: ARG002 - the car ends the hold by itself
    ) -> CommandReceipt:
        """Pause charging until `until`, when the car ends the hold by itself."""
        check_may_hold(car)
        return self._act(car, {"kind": "HOLD", "until": write_instant(until)}, key=key)

    def discharge(
        self, car: CarAccess, *, power_w: int, floor_soc_percent: int, until: datetime, key: str
    ) -> CommandReceipt:
        """Give energy back until `until`; the car stops at the floor."""
        check_may_discharge(car, power_w)
        wanted = {"powerKw": -power_w / 1000, "minSocPercent": floor_soc_percent, "until": write_instant(until)}
        return self._act(car, {"kind": "DISCHARGE", **wanted}, key=key)

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """End any hold or discharge; the newer action cancels the older one."""
        check_may_hold(car)
        return self._act(car, {"kind": "RESUME"}, key=key)

    def set_limit(self, car: CarAccess, *, percent: int, key: str) -> CommandReceipt:
        """Have the car stop charging at `percent`."""
        limit = car.capabilities.set_limit_percent
        if limit is None or not limit[0] <= percent <= limit[1]:
            raise NotSupported("set_limit")
        return self._act(car, {"kind": "SET_LIMIT", "limitPercent": percent}, key=key)

    def command_status(self, car: CarAccess, maker_command_id: str) -> CommandReceipt:
        """Return how an action fares."""
        url = f"{self._car(car.external_id)}/actions/{quote(maker_command_id, safe='')}"
        return honda_answers.read_action(self.call("GET", url, car.access_token), now=self.tools.clock.now())

    def read_webhook(self, headers: Mapping[str, str], raw_body: bytes) -> WebhookAnswer:
        """Return the pushes of one signed delivery; raises WebhookRefused for a bad or old signature."""
        signatures.check_timed(
            headers, raw_body, name="x-honda-signature", secrets=self.webhook_secret, wall=self.tools.clock.wall()
        )
        return WebhookAnswer(honda_answers.read_events(raw_body, now=self.tools.clock.now()))

    def _act(self, car: CarAccess, action: Mapping[str, Any], *, key: str = "") -> CommandReceipt:
        body = self.call(
            "POST", f"{self._car(car.external_id)}/actions", car.access_token, body=action, key=key, is_command=True
        )
        return honda_answers.read_new_action(body, now=self.tools.clock.now())

    def _car(self, external_id: str) -> str:
        return f"{self.api_base}/vehicles/{quote(external_id, safe='')}"
