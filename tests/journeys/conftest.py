"""A real browser (Debian's Chromium) before a real server of ours. Skipped, with the reason, where there is none."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright

from accounts.models import User
from tests.page_world import World, build_world, stop_clock

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
STILL = {"reduced_motion": "reduce"}  # contrast is not to be judged halfway from one colour to the next
PATIENCE_MS = 30_000  # a busy machine is slow, not wrong; whoever waits goes on as soon as it is so


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all journeys."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    # Playwright keeps an event loop in this thread, in which Django would refuse its plain database calls.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Visitor:
    """A person at a browser; what the console complains about is kept, Content-Security-Policy faults included."""

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("response", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _see(self, answer: Response) -> None:
        if answer.status >= 400:
            self.complaints.append(f"{answer.url}: HTTP {answer.status}")

    def open(self, path: str) -> Page:
        """Open one of our pages."""
        self.page.goto(f"{self.base_url}{path}")
        return self.page

    def sign_in(self, user: User) -> None:
        """Sign in as people do."""
        page = self.open("/account/login/")
        page.get_by_label("Email").fill(user.email)
        page.get_by_label("Password").fill("charge-the-grid")
        self.press("Sign in", exact=True)
        page.wait_for_url("**/tonight/**")

    def press(self, name: str, *, exact: bool = False) -> None:
        """Press a button that sends a form, and wait for the page that answers: what it did is done by then."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=exact).first.click()


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything, and a clock that stands."""
    stop_clock(settings, tmp_path, now)
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return build_world(alice, now=now)


@pytest.fixture(params=["phone", "desktop-dark"])
def window(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    """A phone by day and a desktop by night."""
    is_phone = request.param == "phone"
    looks: Any = {"viewport": PHONE, "color_scheme": "light", **STILL}
    if not is_phone:
        looks = {"viewport": DESKTOP, "color_scheme": "dark", **STILL}
    context = chromium.new_context(**looks)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def visitor(window: BrowserContext, live_server: Any) -> Visitor:
    """Somebody in front of the platform."""
    return Visitor(window.new_page(), live_server.url)
