"""Runs docs/mobile.md: every command in order, each answered as the page says."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from grid.models import Enrollment
from rewards.models import Payout
from tests.factories import grid
from tests.factories.rewards import earn, payout_account
from tests.page_world import stop_clock
from tests.vehicles.automakers.kits.base import recording
from tests.vehicles.automakers.kits.ford import CAR
from tests.vehicles.maker_double import credentials
from vehicles.models import Vehicle

BASE = "https://maker.test"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "mobile.md"
KEPT = re.compile(r"`(\w+) ← ([^`]+)`")


@dataclass(frozen=True)
class Command:
    """One command of the page, the status that it says, and what later commands use."""

    text: str
    status: int
    kept: tuple[tuple[str, str], ...]

    def request(self, values: dict[str, str]) -> dict[str, Any]:
        """Return the request that curl would send, with the variables put in."""
        words = iter(shlex.split(self.text.replace("\\\n", " ")))
        asked: dict[str, Any] = {"method": "GET", "headers": {}, "data": "", "content_type": "application/json"}
        for word in words:
            if word == "-X":
                asked["method"] = next(words)
            elif word == "-H":
                name, value = filled(next(words), values).split(": ", 1)
                asked["headers"][name] = value
            elif word == "-d":
                asked["data"] = filled(next(words), values)
            elif word not in {"curl", "-i"}:
                asked["path"] = filled(word, values).removeprefix("$BASE")
        return asked


def filled(text: str, values: dict[str, str]) -> str:
    """Return the text with its variables put in, as a shell would."""
    return re.sub(r"\$([A-Z]+)\b", lambda hit: values.get(hit[1], hit[0]), text)


def commands() -> Iterator[Command]:
    """Yield the page's commands in order."""
    for block, told in re.findall(r"```sh\n(.*?)```\n→ ([^\n]*)", PAGE.read_text(), re.DOTALL):
        yield Command(block.strip(), int(told[:3]), tuple(KEPT.findall(told)))


def part_of(answer: Any, path: str) -> str:
    """Return what a path such as results.0.slug names in an answer."""
    if path.startswith("header "):
        return str(answer[path.removeprefix("header ")])
    found = answer.json()
    for step in path.split("."):
        found = found[int(step) if step.isdigit() else step]
    return str(found)


@pytest.fixture
def door() -> Iterator[responses.RequestsMock]:
    """The HTTP door: answers what a test registered, refuses everything else."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def outside(door: responses.RequestsMock, db: None, settings: Any, now: datetime, tmp_path: Path) -> None:
    """A program, a Ford account with one shared car at home, and a place for the browser to come back to."""
    cache.clear()
    stop_clock(settings, tmp_path, now)
    settings.LINK_RETURN_URLS = ["https://app.chargescape.example/linked"]
    settings.AUTOMAKERS = {"ford": credentials(BASE)}
    grid.terms(now=now)
    grid.tariff()
    cars = recording("ford", "vehicles")
    cars["vehicles"] = [row for row in cars["vehicles"] if row["vehicleId"] == CAR]
    api = f"{BASE}/ford/api/fordconnect/v3/vehicles"
    state = recording("ford", "vehicle")
    state["vehicle"]["vehicleLocation"] |= {"timestamp": "11-18-2026 23:04:00"}
    door.add("POST", f"{BASE}/ford/oauth2/token", json=recording("ford", "token"))
    door.add("POST", f"{BASE}/ford/oauth2/revoke", json={})
    door.add("GET", api, json=cars)
    door.add("GET", f"{api}/{CAR}/vin", json=recording("ford", "vin"))
    door.add("GET", f"{api}/{CAR}", json=state)
    door.add("GET", f"{BASE}/ford/partner/v1/vehicles/{CAR}/capabilities", status=404)


def sign_in_at_maker(url: str) -> str:
    """Open the ticket in a browser of its own and come back from the maker; returns the proof."""
    browser = Client()
    state = parse_qs(urlsplit(browser.get(url)["Location"]).query)["state"][0]
    back = browser.get("/cars/link/callback/ford/", {"state": state, "code": "the-code"})
    return parse_qs(urlsplit(back["Location"]).query)["proof"][0]


def test_page_is_true(outside: None, now: datetime) -> None:
    app, ran = Client(), 0
    values: dict[str, str] = {}
    for command in commands():
        if "/participations/ " in command.text:  # the utility asks, and an earlier evening is paid
            grid.participation(Enrollment.objects.get(), now=now)
        if "/settlements/" in command.text:
            owner = User.objects.get(email="dana@example.com")
            payout_account(owner, now=now)
            earn(owner, 1_234, now=now)
        asked = command.request(values)
        assert "$" not in asked["path"] + asked["data"] + str(asked["headers"]), command.text
        answer = app.generic(
            asked["method"], asked["path"], asked["data"], asked["content_type"], headers=asked["headers"]
        )
        app.cookies.clear()
        assert answer.status_code == command.status, f"{command.text}\n{answer.content.decode()[:600]}"
        values |= {name: part_of(answer, path) for name, path in command.kept}
        if "auth/signup" in command.text:
            values["CODE"] = re.search(r"\b[A-Z0-9]{3,4}-?[A-Z0-9]{3,4}\b", str(mail.outbox[-1].body))[0]  # type: ignore[index]
        if command.text.endswith("linked\"}'"):
            values["PROOF"] = sign_in_at_maker(values["URL"])
        ran += 1
    assert ran > 35
    assert Payout.objects.count() == 1
    assert Vehicle.objects.get().preference.target_soc_percent == 85
