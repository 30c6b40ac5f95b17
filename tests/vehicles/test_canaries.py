"""Canaries: tokens, codes, VINs, account names and places of a whole link's life stay out of log, dump and broker."""

import inspect
import json
import logging
from datetime import datetime
from typing import Any

import pytest
import time_machine
from celery import current_app
from django.apps import apps
from django.db import connection
from django.test import Client

from accounts.flows.consents import grant_consent
from accounts.models import Consent, User
from chargescape.celery import TICKS
from foundation import clock
from tests.vehicles.scripted_maker import WAIT, ref, scripted_maker, sign, state
from vehicles import gateway
from vehicles.automakers.base import LinkKind
from vehicles.automakers.errors import UpstreamDown
from vehicles.automakers.push import Push, PushKind
from vehicles.flows.device_codes import begin_device_link, poll_due_attempts
from vehicles.flows.discovering import look_for_cars
from vehicles.flows.links import choose_vehicles, revoke_link
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.telemetry import read_vehicle
from vehicles.flows.tickets import hand_back, issue_ticket, open_ticket
from vehicles.models import Vehicle, VehicleLink

VIN, NUMBER, ACCOUNT = "WBA00000CANARY777", "number-canary-777", "account-canary-777"
CANARIES = (
    VIN, NUMBER, ACCOUNT, "device-code-canary", "WDJB-MJHT", "access-canary", "refresh-canary", "v-canary",
    "access-1", "refresh-1", "password-1", "code-canary", "30.2672", "97.7431", "webhook-secret-canary", "event-canary",
)  # fmt: skip


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker whose every secret is a canary."""
    script = scripted_maker(settings, monkeypatch)
    script |= {"grants": [ACCOUNT], "cars": [ref(NUMBER, VIN)], "pushes": {}}
    return script


def dump() -> str:
    """Return every row of every table, as a thief of the database would read it."""
    text = ""
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608 - our tables
            text += repr(cursor.fetchall())
    return text


def live(owner: User, script: dict[str, Any], traveller: time_machine.Traveller, now: datetime) -> None:
    """Link, read, push, refresh, fail, look again."""
    for purpose in Consent.Purpose:
        grant_consent(user=owner, purpose=purpose, now=now)
    begin_device_link(owner=owner, maker="scripted", session_key="session-canary", now=now)
    traveller.shift(WAIT)
    poll_due_attempts(now=now, limit=10)
    link = VehicleLink.objects.get()
    car = choose_vehicles(link=link, vehicle_ids=[Vehicle.objects.get().public_id], now=now)[0]
    script["state"] = state(now, source="poll")
    set_home_from_vehicle(vehicle=car, now=now)
    read_vehicle(vehicle=car, now=now)
    script["pushes"] = {
        "one": Push(PushKind.STATE, "event-canary", external_id=NUMBER, subject=ACCOUNT, state=state(now))
    }
    raw = json.dumps({"events": ["one"]}).encode()
    for signature in (sign(raw), "forged"):
        headers = {"X-Signature": signature}
        Client().post("/webhooks/makers/scripted/", raw, content_type="application/json", headers=headers)
    script["state"] = UpstreamDown("HTTP 503")
    read_vehicle(vehicle=car, now=now)
    VehicleLink.objects.update(quiet_until=None)
    gateway.refresh_grant(link)
    look_for_cars(link=VehicleLink.objects.get(), now=now)


def test_a_links_whole_life_leaves_no_canary(
    alice: User, script: dict[str, Any], at_now: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now = clock.now()

    live(alice, script, at_now, now)
    held = dump()
    revoke_link(link=VehicleLink.objects.get(), now=now)

    assert script["revoked"] == ["refresh-1"]  # the secrets were really there
    for canary in (*CANARIES, "session-canary"):
        assert canary not in caplog.text, canary
        assert canary not in held, canary
        assert canary not in dump(), canary


def test_an_apps_ticket_leaves_no_canary(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.LINK_RETURN_URLS = ["https://app.example/linked"]
    script = scripted_maker(settings, monkeypatch, LinkKind.HOSTED_PAGE)
    now = clock.now()

    ticket = issue_ticket(owner=alice, maker="scripted", session_key="session-canary", return_url="", now=now)
    opened = open_ticket(secret=ticket.secret, redirect_uri_of={"scripted": "https://us.test/"}, now=now)
    back = hand_back(
        maker="scripted",
        params={"state": script["begun"].state, "user_id": ACCOUNT, "code": "code-canary"},
        browser_secret=opened.browser_secret,
        now=now,
    )
    secrets = (ticket.secret, opened.browser_secret, back.split("proof=")[1], script["begun"].state)

    assert all(len(secret) >= 16 for secret in secrets)
    for canary in (*secrets, script["begun"].code_verifier, ACCOUNT, "code-canary", "session-canary"):
        assert canary not in caplog.text
        assert canary not in dump()
        assert canary not in repr(ticket) + repr(opened)


def test_no_message_on_the_broker_can_carry_anything() -> None:
    current_app.loader.import_default_modules()
    for name in TICKS:
        assert not inspect.signature(current_app.tasks[name].run).parameters, f"{name} takes arguments"
