"""A whole sandbox whose pretend Stripe delivers webhooks to a listener of the tests."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import stripe

from tests.sandbox_process import STRIPE_KEY, SandboxProcess, start_sandbox
from tests.stripe_spec import JudgingClient

STARTED_AT = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)


def wait_until(is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return once it is so; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@dataclass
class Listener:
    """What the platform's webhook address received, raw."""

    url: str
    received: list[tuple[bytes, str]] = field(default_factory=list)
    status: int = 200

    def events(self, kind: str, *, account: str = "") -> list[dict[str, Any]]:
        """Return the received events of one kind, of one account where it is named."""
        events = [json.loads(body) for body, _ in self.received]
        return [event for event in events if event["type"] == kind and account in {"", event.get("account")}]

    def wait_for(self, kind: str, *, account: str = "", count: int = 1, seconds: float = 30) -> list[dict[str, Any]]:
        """Return the events of one kind once `count` of them came; fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if len(self.events(kind, account=account)) >= count:
                return self.events(kind, account=account)
            time.sleep(0.05)
        raise AssertionError(f"{len(self.events(kind, account=account))} of {count} {kind} events came")


@dataclass
class PretendStripe:
    """The running stand-in: the SDK on it, its transport's notes, its control and its webhooks' listener."""

    process: SandboxProcess
    client: stripe.StripeClient
    transport: JudgingClient
    listener: Listener

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Call the stand-in's control API."""
        reply = requests.request(method, f"{self.process.url}/stripe/control/{path}", json=body or None, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def fault(self, kind: str, **settings: Any) -> None:
        """Switch a fault on."""
        self.control("POST", "faults", kind=kind, **settings)

    def set_clock(self, at: datetime) -> None:
        """Freeze the simulated time at `at`."""
        self.process.control("PUT", "clock", simulated_at=at.isoformat(), rate=0)

    def raw(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API without the SDK."""
        headers = {"Authorization": f"Bearer {STRIPE_KEY}", **options.pop("headers", {})}
        return requests.request(method, f"{self.process.url}/stripe{path}", headers=headers, timeout=30, **options)

    def make_account(self, *, country: str = "us") -> str:
        """Create a recipient account, not yet onboarded; return its id."""
        account = self.client.v2.core.accounts.create(
            {
                "contact_email": "alice@example.org",
                "display_name": "Alice",
                "dashboard": "express",
                "identity": {"country": country, "entity_type": "individual"},
                "configuration": {
                    "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
                },
                "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
                "include": ["configuration.recipient", "requirements", "identity", "defaults"],
            }
        )
        return str(account.id)

    def link(self, account_id: str) -> str:
        """Create an onboarding link; return its URL."""
        made = self.client.v2.core.account_links.create(
            {
                "account": account_id,
                "use_case": {
                    "type": "account_onboarding",
                    "account_onboarding": {
                        "refresh_url": "http://localhost:8000/payouts/set-up/",
                        "return_url": "http://localhost:8000/payouts/return/",
                    },
                },
            }
        )
        return str(made.url)

    def onboard(self, account_id: str, **details: str) -> requests.Response:
        """Walk the onboarding page with a browser's means; return the redirect back."""
        return submit_onboarding(self.link(account_id), action="finish", **details)

    def make_payee(self, *, country: str = "us", **details: str) -> str:
        """Create and onboard an account; return its id."""
        account_id = self.make_account(country=country)
        assert self.onboard(account_id, **details).status_code == 302
        return account_id


def submit_onboarding(url: str, *, action: str, **details: str) -> requests.Response:
    """Open the onboarding page, submit its form as filled in (changed by `details`) and return the answer."""
    browser = requests.Session()
    page = browser.get(url, timeout=30)
    page.raise_for_status()
    fields = dict(_inputs(page.text))
    return browser.post(
        url,
        data={**fields, **details, "action": action},
        headers={"Referer": url},
        allow_redirects=False,
        timeout=30,
    )


def _inputs(html: str) -> Iterator[tuple[str, str]]:
    for tag in html.split("<input")[1:]:
        attributes = {}
        for part in tag.split(">")[0].split('" '):
            name, _, value = part.strip().partition('="')
            attributes[name] = value.rstrip('"')
        yield attributes["name"], attributes.get("value", "")


@pytest.fixture(scope="session")
def webhook_listener() -> Iterator[Listener]:
    """A loopback server that takes webhooks and answers as it is told."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if listener.status == 200:
                listener.received.append((body, self.headers["Stripe-Signature"]))
            self.send_response(listener.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    listener = Listener(f"http://127.0.0.1:{server.server_address[1]}/webhooks/stripe/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="session")
def stripe_process(tmp_path_factory: pytest.TempPathFactory, webhook_listener: Listener) -> Iterator[SandboxProcess]:
    """One sandbox for all tests of the stand-in."""
    process = start_sandbox(tmp_path_factory, SANDBOX_STRIPE_WEBHOOK_URL=webhook_listener.url)
    yield process
    process.stop()


@pytest.fixture
def pretend(stripe_process: SandboxProcess, webhook_listener: Listener) -> Iterator[PretendStripe]:
    """The stand-in with no faults, the clock frozen, and nothing received yet."""
    base = f"{stripe_process.url}/stripe"
    transport = JudgingClient(urlsplit(base).path, timeout=30)
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": base}, http_client=transport)
    pretend = PretendStripe(stripe_process, client, transport, webhook_listener)
    pretend.control("DELETE", "faults")
    pretend.control("PUT", "knobs", payout_delay_seconds=3600, key_lifetime_seconds=86_400, link_lifetime_seconds=600)
    pretend.set_clock(STARTED_AT)
    webhook_listener.status = 200
    webhook_listener.received.clear()
    yield pretend
    pretend.control("DELETE", "faults")
