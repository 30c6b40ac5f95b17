"""A maker that keeps the contract in memory, for what no maker on loopback shows at will: codes, pages, pushes."""
# ruff: noqa: ARG002 - the signatures are the contract's

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from foundation import clock
from vehicles.automakers.base import (
    Account,
    Capabilities,
    CarAccess,
    ChargeState,
    CommandReceipt,
    DeviceCode,
    Grant,
    HoldEnds,
    LinkBegin,
    LinkCallback,
    LinkKind,
    LinkStart,
    Observed,
    Place,
    RedirectTo,
    Tools,
    VehicleRef,
    VehicleState,
)
from vehicles.automakers.defaults import Defaults
from vehicles.automakers.errors import NotSupported, WebhookRefused
from vehicles.automakers.push import Push, StreamPlan, WebhookAnswer

SECRET = "webhook-secret-canary"
VIN = "WBA00000000CANARY".replace("CANARY", "123456")
CAN = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, min_poll_seconds=60, pushes=("webhook", "stream"))


class Scripted(Defaults):
    """Says what `script` holds; each class made by `scripted_maker` has its own."""

    slug = "scripted"
    name = "Scripted"
    link_kind = LinkKind.DEVICE_CODE
    script: dict[str, Any]

    def __init__(self, credentials: Mapping[str, str], tools: Tools) -> None:
        self.tools = tools
        self.credentials = credentials

    def begin_link(self, begin: LinkBegin) -> LinkStart:
        """Hand out a code, or the page."""
        self.script["begun"] = begin
        if isinstance(self.script.get("start"), Exception):
            raise self.script["start"]
        if self.link_kind == LinkKind.DEVICE_CODE:
            start: DeviceCode = self.script.get("start") or DeviceCode(
                "WDJB-MJHT", "https://scripted.test/device", "device-code-canary", 5, 600
            )
            return start
        return RedirectTo(f"https://scripted.test/connect?state={begin.state}")

    def complete_link(self, callback: LinkCallback) -> Grant:
        """Answer or raise what the script says next; the last entry stays."""
        self.script.setdefault("callbacks", []).append(callback)
        answers = self.script["grants"]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Grant("access-canary", "refresh-canary", 3600, 14 * 86_400, subject=answer, extras={"k": "v-canary"})

    def refresh(self, refresh_token: str) -> Grant:
        """Rotate."""
        self.script.setdefault("refreshed", []).append(refresh_token)
        number = len(self.script["refreshed"])
        return Grant(f"access-{number}", f"refresh-{number}", 3600, extras={"password": f"password-{number}"})

    def revoke(self, *, access_token: str, refresh_token: str) -> None:
        """Note it."""
        self.script.setdefault("revoked", []).append(refresh_token)

    def list_vehicles(self, account: Account) -> list[VehicleRef]:
        """Return the script's cars."""
        self.script["listed"] = self.script.get("listed", 0) + 1
        refs = self.script.get("cars", [ref("car-one")])
        if isinstance(refs, Exception):
            raise refs
        return list(refs)

    def capabilities(self, account: Account, external_id: str) -> Capabilities:
        """Return what the script allows."""
        can: Capabilities = self.script.get("can", CAN)
        return can

    def read_state(self, car: CarAccess) -> VehicleState:
        """Return the script's state."""
        answer = self.script["state"]
        if isinstance(answer, Exception):
            raise answer
        found: VehicleState = answer
        return found

    def resume(self, car: CarAccess, *, key: str) -> CommandReceipt:
        """Accept."""
        return CommandReceipt("", "accepted", self.tools.clock.now())

    def read_webhook(self, headers: Mapping[str, str], raw_body: bytes) -> WebhookAnswer:
        """Check the signature, then say what the script says the body means."""
        wanted = hmac.new(SECRET.encode(), raw_body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("X-Signature", ""), wanted):
            raise WebhookRefused("signature")
        body = json.loads(raw_body)
        pushes = [self.script["pushes"][name] for name in body.get("events", [])]
        return WebhookAnswer(pushes, body.get("reply"))

    def open_stream(self, account: Account) -> StreamPlan:
        """Return where the script's broker is."""
        plan = self.script.get("plan")
        if plan is None:
            raise NotSupported("stream")
        found: StreamPlan = plan(account)
        return found

    def read_message(self, topic: str, payload: bytes) -> list[Push]:
        """Read a tiny message: {"car": ..., "soc": ..., "at": ...}."""
        try:
            body = json.loads(payload)
            at = datetime.fromisoformat(body["at"])
        except (ValueError, KeyError, TypeError):
            return []
        return [Push("state", "", external_id=body["car"], state=state(at, body["soc"], source="stream"))]


def sign(raw_body: bytes) -> str:
    """Return the signature that the scripted maker's webhooks carry."""
    return hmac.new(SECRET.encode(), raw_body, hashlib.sha256).hexdigest()


def ref(external_id: str, vin: str = VIN, **fields: Any) -> VehicleRef:
    """Return a car as the maker lists it."""
    return VehicleRef(external_id=external_id, make="BMW", model="i4 eDrive40", model_year=2024, vin=vin, **fields)


def state(at: datetime, soc: float = 55.0, *, plugged: bool = True, source: str = "webhook") -> VehicleState:
    """Return a car at its plug in Austin."""
    fetched = clock.now()

    def seen(value: Any) -> Any:
        return Observed(value, at, fetched, source)

    return VehicleState(
        soc_percent=seen(soc),
        is_plugged_in=seen(plugged),
        charge_state=seen(ChargeState.CHARGING if plugged else ChargeState.UNPLUGGED),
        place=seen(Place(30.2672, -97.7431)),
    )


def scripted_maker(settings: Any, monkeypatch: Any, kind: LinkKind = LinkKind.DEVICE_CODE) -> dict[str, Any]:
    """Put the maker `scripted` on offer and return its script: `grants` lists subjects or errors, in order."""
    from vehicles.automakers.registry import AUTOMAKERS

    script: dict[str, Any] = {"grants": ["account-one"]}
    maker = type("ScriptedHere", (Scripted,), {"script": script, "link_kind": kind})
    monkeypatch.setitem(AUTOMAKERS, "scripted", maker)
    unique = {"client_id": "client", "client_secret": "", "run": str(id(script))}
    settings.AUTOMAKERS = {**settings.AUTOMAKERS, "scripted": unique}
    return script


WAIT = timedelta(seconds=6)
