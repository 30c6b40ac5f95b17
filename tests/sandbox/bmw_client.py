"""A client of the BMW-like dialect, written from CarData's published API and the broker's contract alone."""

import base64
import hashlib
import json
import queue
import secrets
import ssl
from typing import Any

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from tests.sandbox_owner import OwnerBrowser
from tests.sandbox_process import SandboxProcess

FRANK, GRACE, HENRY = "frank@bmw.sandbox", "grace@bmw.sandbox", "henry@bmw.sandbox"
FRANKS_I4, FRANKS_IX, HENRYS_I4 = "WBA73AW02RFP00001", "WB523CF04RCN00002", "WBA43AW02RFP00003"
CLIENT = "chargescape-bmw"
SCOPES = "authenticate_user openid cardata:api:read cardata:streaming:read"
SOC = "vehicle.drivetrain.batteryManagement.header"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class BmwClient:
    """Holds one grant."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.verifier = secrets.token_urlsafe(48)
        self.device: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}
        self.session = requests.Session()
        self.session.trust_env = False

    def ask_for_code(self, **changes: str | None) -> requests.Response:
        """Start the device flow; a change of None drops a field."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        fields: dict[str, str | None] = {
            "client_id": CLIENT,
            "response_type": "device_code",
            "scope": SCOPES,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        kept = {name: value for name, value in (fields | changes).items() if value is not None}
        reply = self.session.post(f"{self.sandbox.url}/bmw/gcdm/oauth/device/code", data=kept, timeout=30)
        self.device = reply.json()
        return reply

    def poll(self, **changes: str) -> requests.Response:
        """Ask whether the owner has decided."""
        fields = {"grant_type": DEVICE_GRANT, "device_code": self.device["device_code"]}
        return self.post_token(**fields | {"code_verifier": self.verifier} | changes)

    def refresh(self) -> requests.Response:
        """Exchange the refresh token."""
        return self.post_token(grant_type="refresh_token", refresh_token=self.tokens["refresh_token"])

    def post_token(self, **fields: str) -> requests.Response:
        """Call the token endpoint as a public client."""
        form = {"client_id": CLIENT} | fields
        return self.session.post(f"{self.sandbox.url}/bmw/gcdm/oauth/token", data=form, timeout=30)

    def decide(self, account: str, **decision: Any) -> requests.Response:
        """Have the owner type the code and decide."""
        return OwnerBrowser(account).pair(self.device["verification_uri"], self.device["user_code"], **decision)

    def link(self, account: str, **decision: Any) -> "BmwClient":
        """Walk the whole link for an account and keep the tokens."""
        self.ask_for_code()
        assert self.decide(account, **decision).status_code == 200
        reply = self.poll()
        assert reply.status_code == 200, reply.text
        self.tokens = reply.json()
        return self

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Call CarData (`path` below /customers/)."""
        headers = {"Authorization": f"Bearer {self.tokens.get('access_token', 'none')}", "x-version": "v1"}
        headers |= kwargs.pop("headers", {})
        url = f"{self.sandbox.url}/bmw/cardata/customers/{path}"
        return self.session.request(method, url, headers=headers, timeout=30, **kwargs)

    def make_container(self, *descriptors: str) -> str:
        """Make a container and return its id."""
        wanted = {"name": "tests", "purpose": "tests", "technicalDescriptors": list(descriptors or (SOC,))}
        reply = self.call("POST", "containers", json=wanted)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["containerId"])

    def read(self, vin: str, container_id: str) -> requests.Response:
        """Ask for a car's telematics."""
        return self.call("GET", f"vehicles/{vin}/telematicData", params={"containerId": container_id})

    def control(self, **changes: Any) -> dict[str, Any]:
        """Call the control API of what is BMW's alone."""
        method = "PATCH" if changes else "GET"
        reply = requests.request(method, f"{self.sandbox.url}/bmw/control", json=changes or None, timeout=30)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer


class Listener:
    """A listener of an account's stream; events are ("connect" | "drop", reason) and ("message", topic, body)."""

    def __init__(self, bmw: BmwClient, *, password: str = "", topic: str = "") -> None:
        self.events: queue.Queue[tuple[Any, ...]] = queue.Queue()
        gcid = bmw.tokens["gcid"]
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=secrets.token_hex(6), reconnect_on_failure=False
        )
        self.client.tls_set_context(ssl.create_default_context(cafile=bmw.sandbox.stream_ca_file))
        self.client.username_pw_set(gcid, password or bmw.tokens["id_token"])
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self.events.put(("drop", str(reason)))
        self.client.on_message = lambda _c, _u, item: self.events.put(("message", item.topic, json.loads(item.payload)))
        self.topic = topic or f"{gcid}/+"
        self.client.connect("localhost", bmw.sandbox.stream_port)
        self.client.loop_start()

    def _on_connect(self, client: mqtt.Client, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self.topic, qos=1)
        self.events.put(("connect", str(reason)))

    def next(self, kind: str, *, seconds: float = 30) -> tuple[Any, ...]:
        """Return the next event of a kind; raises queue.Empty after so many seconds without any event."""
        while True:
            event = self.events.get(timeout=seconds)
            if event[0] == kind:
                return event

    def stop(self) -> None:
        """Go away."""
        self.client.disconnect()
        self.client.loop_stop()
