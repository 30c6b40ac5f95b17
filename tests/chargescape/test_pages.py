"""Every page of ours at once: who may see it, what it never shows, what it never contains."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from tests.page_world import SECRET_VIN, World, addresses, build_world, stop_clock
from vehicles.flows.preferences import cancel_override

MOST_QUERIES = {"earnings": 17}  # any other page: 15
OPEN = {
    "notice_act",
    "manifest",
    "service_worker",
    "offline",
    "home_page",
    "healthz",
    "readyz",
    "link_open",
    "choose_language",
}  # for everybody
ON_NOTICE = {"notice_read", "notice_do", "push_subscribe", "push_unsubscribe", "push_forget"}
ON_OWNER = {
    "notices_read",
    "payouts_set_up",
    "pay_now",
    "payouts_settings",
    "export_request",
    "keep_account",
    "end_session",
}
ON_CAR = {
    "unlink",
    "charge_now",
    "skip_tonight",
    "pause",
    "home_here",
    "take_control",
    "car_charger",
    "cancel_override",
    "remove_date",
    "enroll",
    "withdraw",
    "declare_elsewhere",
    "end_elsewhere",
}
READ = {"car_record", "car_program"}  # pages below a car that only read
ACTIONS = ON_OWNER | ON_NOTICE | ON_CAR | {"welcome_put_off", "opt_out", "opt_in", "choose_language"}


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything, and a clock that stands."""
    stop_clock(settings, tmp_path, now)
    return build_world(alice, now=now)


@pytest.fixture
def page_of(world: World, client: Client) -> Client:
    """Alice's browser."""
    client.force_login(world.owner)
    return client


def readable(world: World) -> list[tuple[str, str]]:
    """Return every page that answers GET with a page; proof and statement are files."""
    leading_on = {"link_callback", "link_open", "link_wait", "payouts_return", "home_page", *OPEN, "export_download"}
    return [
        pair
        for pair in addresses(world.values())
        if pair[0] not in ACTIONS | leading_on | {"healthz", "readyz", "proof", "statement_csv"}
    ]


def test_every_address_of_ours_is_known(world: World) -> None:
    names = {name for name, _ in addresses(world.values())}
    assert {"dashboard", "car", "event", "earning", "payouts", "consents", "account"} | ACTIONS | OPEN <= names


def test_every_page_opens_for_its_owner(world: World, page_of: Client) -> None:
    for name, address in readable(world):
        answer = page_of.get(address)
        assert answer.status_code == 200, (name, answer.status_code)
        assert "no-store" in answer["Cache-Control"], name
        assert "ChargeScape" in answer.content.decode(), name


def test_no_page_can_be_read_signed_out(world: World, client: Client) -> None:
    for name, address in addresses(world.values()):
        if name in OPEN:
            continue
        for method in (client.get, client.post):
            answer = method(address)
            if answer.status_code != 405:
                assert answer.status_code == 302, (name, answer.status_code)
                assert answer["Location"].startswith("/account/login/"), name


def test_a_stranger_finds_nothing_of_another_owner(world: World, client: Client, charlie: User) -> None:
    client.force_login(charlie)
    mine = [(name, address) for name, address in addresses(world.values()) if str_ids(world) & ids_in(address)]
    assert len(mine) >= 14
    for name, address in mine:
        for method in (client.get, client.post):
            assert method(address).status_code in {404, 405}, name
        assert client.post(address).status_code == 404 or name in {
            "event",
            "earning",
            "car",
            "link_wait",
            "receipt",
            *READ,
        }, name


def str_ids(world: World) -> set[str]:
    """Return the ids of the owner's objects as addresses spell them."""
    return {str(value) for value in world.values().values()}


def ids_in(address: str) -> set[str]:
    """Return the ids in an address."""
    return set(re.findall(r"[0-9a-f-]{36}", address))


def test_a_stranger_leaves_everything_as_it_was(world: World, client: Client, charlie: User) -> None:
    client.force_login(charlie)
    for name, address in addresses(world.values()):
        if name in ACTIONS and ids_in(address):
            client.post(address, {"program": "evening-relief", "paused": "yes"})
    world.coming.refresh_from_db()
    world.override.refresh_from_db()
    world.vehicle.refresh_from_db()
    assert world.coming.state == "in"
    assert world.override.cancelled_at is None
    assert world.vehicle.state == "active"
    assert not world.vehicle.preference.is_paused


def test_what_changes_anything_asks_for_post(world: World, page_of: Client) -> None:
    for name, address in addresses(world.values()):
        if name in ACTIONS:
            assert page_of.get(address).status_code == 405, name


def test_a_change_without_the_forms_token_is_refused(world: World) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(world.owner)
    answer = browser.post(reverse("opt_out", args=[world.coming.public_id]))
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()
    world.coming.refresh_from_db()
    assert world.coming.state == "in"


def test_no_page_shows_what_names_car_or_place(world: World, page_of: Client) -> None:
    for name, address in readable(world):
        text = page_of.get(address).content.decode()
        for secret in (SECRET_VIN, "30.26", "-97.74", world.vehicle.external_id_hash):
            assert secret not in text, (name, secret)


def test_no_page_carries_inline_script_or_style(world: World, page_of: Client, client: Client) -> None:
    pages = [page_of.get(address) for _, address in readable(world)]
    pages += [Client().get(path) for path in ("/", "/account/login/", "/account/signup/", "/nothing/")]
    for page in pages:
        text = page.content.decode()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|javascript:|hx-on", text), page.request["PATH_INFO"]
        for tag in re.findall(r"<script[^>]*>", text):
            assert "src=" in tag or 'type="application/json"' in tag, tag


def test_every_page_has_one_heading_a_title_and_a_main_part(world: World, page_of: Client) -> None:
    for name, address in readable(world):
        text = page_of.get(address).content.decode()
        assert len(re.findall(r"<h1[ >]", text)) == 1, name
        assert re.search(r"<title>[^<]+ · ChargeScape</title>", text), name
        assert '<main id="content"' in text, name
        assert 'href="#content"' in text, name


def test_pages_ask_the_database_little(world: World, page_of: Client) -> None:
    cancel_override(override=world.override, now=world.override.starts_at)
    counts = {}
    for name, address in readable(world):
        page_of.get(address)  # fills caches that outlive a request
        with CaptureQueriesContext(connection) as queries:
            page_of.get(address)
        counts[name] = len(queries)
    assert {name: count for name, count in counts.items() if count > MOST_QUERIES.get(name, 15)} == {}


def test_landing_says_what_it_is_and_leads_owners_on(client: Client, alice: User) -> None:
    assert "Let it earn" in client.get("/").content.decode()
    client.force_login(alice)
    assert client.get("/")["Location"] == "/tonight/"


def test_tonight_shows_state_plan_event_and_money(world: World, page_of: Client) -> None:
    text = page_of.get("/tonight/").content.decode()
    assert "Blue Lightning" in text
    assert "10 minutes ago" in text
    assert "data-chart=" in text
    assert "Ready by" in text
    assert f"/events/{world.coming.public_id}/" in text


def test_tonight_marks_a_value_that_is_too_old(world: World, page_of: Client, settings: Any, tmp_path: Path) -> None:
    stop_clock(settings, tmp_path, datetime.fromisoformat("2026-11-19T01:05:00+00:00"))
    text = page_of.get("/tonight/").content.decode()
    assert "age-old" in text
    assert "too old to act on" in text


@pytest.mark.parametrize("part", ["now", "plan"])
def test_tonight_serves_its_live_parts_alone(world: World, page_of: Client, part: str) -> None:
    text = page_of.get(f"/tonight/?part={part}", headers={"HX-Request": "true"}).content.decode()
    assert f'id="{part}"' in text
    assert "<html" not in text


def test_tonight_leads_a_new_owner_to_the_steps(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    assert client.get("/tonight/")["Location"] == "/welcome/"


def test_welcome_names_the_next_step_and_is_done_at_the_end(
    world: World, page_of: Client, client: Client, charlie: User
) -> None:
    assert "You are all set" in page_of.get("/welcome/").content.decode()
    client.force_login(charlie)
    text = client.get("/welcome/").content.decode()
    assert "0 of 5 done" in text
    assert text.count('data-state="next"') == 1
    assert 'href="/welcome/you/"' in text


def test_health_answers_without_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_says_which_part_is_missing(client: Client, settings: Any) -> None:
    assert client.get("/readyz").json() == {"status": "ok", "database": True, "cache": True}
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": True, "cache": False}


def test_errors_have_their_own_pages(client: Client, db: None) -> None:
    missing = client.get("/nothing/")
    assert missing.status_code == 404
    assert "There is nothing here" in missing.content.decode()
    strange = client.get("/", headers={"Host": "elsewhere.example"})
    assert strange.status_code == 400
    assert "did not make sense" in strange.content.decode()


def test_a_fault_of_ours_is_owned_up_to(world: World, page_of: Client) -> None:
    page_of.raise_request_exception = False
    world.vehicle.plans.filter(is_current=True).update(arrays=b"?")
    answer = page_of.get("/tonight/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()


def test_sandbox_strip_shows_in_the_demo_alone(world: World, page_of: Client, settings: Any) -> None:
    assert "a pretend world" not in page_of.get("/tonight/").content.decode()
    settings.DEMO_SANDBOX_URL = "http://localhost:8100"
    text = page_of.get("/tonight/").content.decode()
    assert "a pretend world" in text
    assert "http://localhost:8100/mailbox/" in text
    assert "history are being made" in text  # the clock stands


def test_times_follow_the_owners_zone(world: World, page_of: Client, alice: User) -> None:
    assert "6:05\u202fPM" in page_of.get("/events/").content.decode()
    alice.time_zone = "America/Toronto"
    alice.save()
    assert "7:05\u202fPM" in page_of.get("/events/").content.decode()


def test_api_documentation_keeps_to_the_content_policy(client: Client, db: None) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    assert "<style" not in answer.content.decode()
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_admin_sign_in_goes_through_ours(client: Client, db: None) -> None:
    answer = client.get("/admin/login/?next=/admin/")
    assert answer["Location"].startswith("/account/login/")


def test_two_weeks_ahead_is_said_as_a_date(world: World, page_of: Client, now: datetime) -> None:
    world.coming.event.starts_at = now + timedelta(days=14)
    world.coming.event.ends_at = now + timedelta(days=14, hours=1)
    world.coming.event.settle_at = world.coming.event.ends_at
    world.coming.event.save()
    assert "Wed, Dec 2" in page_of.get("/events/").content.decode()
