"""The pages of notices: the list, what is told how, one click, and what makes the pages an app."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.flows.acting import make_token
from accounts.flows.notices import notify
from accounts.models import Notice, NoticeAct, NoticeSettings, NoticeSwitch, PushDevice, User
from accounts.notice_kinds import DESK, KINDS
from grid.models import EventParticipation
from tests.accounts.push_server import Browser
from tests.factories import grid, nights
from tests.page_world import stop_clock
from vehicles.models import ChargeOverride

FCM = "https://fcm.googleapis.com/fcm/send/abc"


@pytest.fixture
def alices(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> Client:
    """Alice's browser, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    client.force_login(alice)
    return client


def tell(user: User, now: datetime, kind: str = "enrolled", key: str = "k", **params: Any) -> Notice:
    return notify(user=user, kind=kind, key=key, params=params or {"vehicle": "Blue", "program": "P"}, now=now)


def asked(alice: User, now: datetime) -> tuple[Notice, EventParticipation]:
    """A notice of an event in which Alice's car takes part."""
    part = grid.participation(nights.plugged_car(alice, now=now), now=now)
    params = {
        "program": "Evening Relief",
        "event": str(part.event.public_id),
        "starts_at": part.event.starts_at.isoformat(),
        "ends_at": part.event.ends_at.isoformat(),
        "reward_micros": 2_000_000,
        "currency": "USD",
    }
    return tell(alice, now, "event_announced", "event", **params), part


def link_of(notice: Notice, action: str) -> str:
    return reverse("notice_act", args=[make_token(user=notice.user, action=action, about=str(notice.public_id))])


def test_notices_are_shown_filtered_and_marked(alices: Client, alice: User, now: datetime) -> None:
    asked(alice, now)
    read = tell(alice, now, "payout_sent", "p", amount_minor=1234, currency="USD")
    text = alices.get("/notices/").content.decode()
    assert re.search(r"The grid asks for help on Wed, Nov 18, 6:05.PM", text)
    assert "Notices, 2 new" in text
    assert alices.post(f"/notices/{read.public_id}/read/")["Location"] == "/notices/"
    unread = alices.get("/notices/?show=unread").content.decode()
    assert "The grid asks" in unread
    assert "on its way to your bank" not in unread
    money = alices.get("/notices/?group=money").content.decode()
    assert "on its way to your bank" in money
    assert "The grid asks" not in money
    alices.post("/notices/read/")
    assert not Notice.objects.filter(read_at=None).exists()
    assert "Nothing here." in alices.get("/notices/?show=unread").content.decode()


def test_list_goes_on_over_pages_and_asks_little(
    alices: Client, alice: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(35):
        tell(alice, now, "event_soon", str(number), event="e", program="P", starts_at=now.isoformat())
    with django_assert_max_num_queries(15):
        assert alices.get("/notices/").content.decode().count("<article>") == 30
    assert alices.get("/notices/?page=2").content.decode().count("<article>") == 5
    assert alices.get("/notices/?page=x&group=nothing").status_code == 200


def test_owner_acts_from_the_list_once(alices: Client, alice: User, now: datetime) -> None:
    notice, part = asked(alice, now)
    assert "Leave this event out" in alices.get("/notices/").content.decode()
    answer = alices.post(f"/notices/{notice.public_id}/act/", {"action": "opt_out"}, follow=True).content.decode()
    assert "Left out." in answer
    assert 'value="opt_out"' not in answer
    part.refresh_from_db()
    notice.refresh_from_db()
    assert (part.state, notice.read_at) == ("opted_out", now)
    again = alices.post(f"/notices/{notice.public_id}/act/", {"action": "opt_out"}, follow=True).content.decode()
    assert "done before" in again
    for action in ("charge_now", "relink", "", "stop_digest", "nothing"):
        assert (
            "note-error"
            in alices.post(f"/notices/{notice.public_id}/act/", {"action": action}, follow=True).content.decode()
        )


def test_notices_of_somebody_else_stay_theirs(alices: Client, bob: User, now: datetime) -> None:
    theirs = tell(bob, now, vehicle="Bobs car", program="P")
    device = PushDevice.objects.create(user=bob, endpoint=FCM, endpoint_hash="x", created_at=now)
    assert "Bobs car" not in alices.get("/notices/").content.decode()
    alices.post("/notices/read/")
    for path in (
        f"/notices/{theirs.public_id}/read/",
        f"/notices/{theirs.public_id}/act/",
        f"/notices/devices/{device.public_id}/forget/",
    ):
        assert alices.post(path, {"action": "stop_email"}).status_code == 404
    assert Notice.objects.get().read_at is None
    assert PushDevice.objects.exists()


def test_link_asks_first_and_acts_on_post_once(client: Client, alice: User, now: datetime) -> None:
    notice, part = asked(alice, now)
    grid_event = part.event
    grid_event.starts_at, grid_event.ends_at = now + timedelta(days=9000), now + timedelta(days=9001)
    grid_event.settle_at = grid_event.ends_at
    grid_event.save()
    Notice.objects.update(params={**notice.params, "starts_at": grid_event.starts_at.isoformat()})
    link = link_of(notice, "opt_out")
    for method in (client.get, client.head):  # as scanners of mail do
        answer = method(link)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store, private")
        assert answer["Referrer-Policy"] == "no-referrer"
    part.refresh_from_db()
    assert part.state == "in"
    assert "<form" in client.get(link).content.decode()
    browser = Client(enforce_csrf_checks=True)  # the link itself is the permission
    assert "Left out." in browser.post(link).content.decode()
    part.refresh_from_db()
    assert part.state == "opted_out"
    answer = browser.post(link)
    assert (answer.status_code, "done before" in answer.content.decode()) == (409, True)


def test_refused_click_may_be_tried_again(alices: Client, alice: User, now: datetime) -> None:
    notice, part = asked(alice, now)
    part.state = "opted_out"
    part.save()
    answer = alices.post(link_of(notice, "opt_out"))
    assert (answer.status_code, "take no part" in answer.content.decode()) == (409, True)
    assert not NoticeAct.objects.exists()


def test_click_after_its_time_does_nothing(
    alices: Client, alice: User, now: datetime, settings: Any, tmp_path: Path
) -> None:
    notice, _ = asked(alice, now)
    stop_clock(settings, tmp_path, now + timedelta(hours=2))
    assert "too late" in alices.post(link_of(notice, "opt_out")).content.decode()
    assert 'value="opt_out"' not in alices.get("/notices/").content.decode()


def test_charge_now_with_one_click(alices: Client, alice: User, bob: User, now: datetime) -> None:
    car = nights.plugged_car(alice, now=now).vehicle
    other = grid.car(bob, now=now)
    common = {"departure_at": (now + timedelta(hours=2)).isoformat(), "vehicle": "Blue"}
    foreign = tell(alice, now, "departure_at_risk", "foreign", vehicle_id=str(other.public_id), **common)
    assert "no longer linked" in alices.post(link_of(foreign, "charge_now")).content.decode()
    mine = tell(alice, now, "departure_at_risk", "mine", vehicle_id=str(car.public_id), **common)
    assert alices.post(link_of(mine, "charge_now")).status_code == 200
    assert [row.vehicle for row in ChargeOverride.objects.all()] == [car]


def test_relinking_takes_a_signed_in_owner(client: Client, alice: User, bob: User, now: datetime) -> None:
    notice = tell(alice, now, "link_needs_relink", maker="Ford", maker_slug="ford")
    link = link_of(notice, "relink")
    for method in (client.get, client.post):
        assert method(link)["Location"].startswith("/account/login/?next=/notices/act/")
    client.force_login(alice)
    text = client.get(link).content.decode()
    assert 'action="/cars/link/"' in text
    assert 'name="maker" value="ford"' in text
    assert 'name="maker" value="ford"' in client.get("/notices/").content.decode()

    client.force_login(bob)  # in a browser that two people share
    other = client.get(link)
    assert other.status_code == 403
    assert "signed in with another account" in other.content.decode()


def test_mailbox_stops_a_kind_with_one_post(client: Client, alice: User, now: datetime) -> None:
    notice = tell(alice, now)
    mailbox = Client(enforce_csrf_checks=True)
    for _ in range(2):
        answer = mailbox.post(link_of(notice, "stop_email"), {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    switch = NoticeSwitch.objects.get()
    assert (switch.kind, switch.channel, switch.is_on) == ("enrolled", "email", False)


def test_digest_stops_with_what_stood_in_it(client: Client, alice: User) -> None:
    NoticeSettings.objects.create(user=alice, has_digest=True)
    client.post(reverse("notice_act", args=[make_token(user=alice, action="stop_digest", about="digest:2026-11-18")]))
    assert not NoticeSettings.objects.get().has_digest
    stopped = set(NoticeSwitch.objects.filter(channel="email", is_on=False).values_list("kind", flat=True))
    assert stopped == {slug for slug, kind in KINDS.items() if not kind.is_urgent and kind.emails}


def test_tokens_that_are_none_of_ours_or_old_open_nothing(
    client: Client, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, part = asked(alice, now)
    good = make_token(user=alice, action="opt_out", about=str(notice.public_id))
    about_nothing = make_token(user=alice, action="opt_out", about="no-uuid")
    unknown = make_token(user=alice, action="delete_everything", about=str(notice.public_id))
    elsewhere = signing.dumps([alice.public_id.hex, "opt_out", str(notice.public_id)], salt="another purpose")
    for token in ("x", good[:-1], good + "x", about_nothing, unknown, elsewhere, good.replace(":", "")):
        assert client.post(reverse("notice_act", args=[token])).status_code == 410, token
    later = datetime.now().timestamp() + 8 * 86_400  # noqa: DTZ005 - the signature's own clock
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    answer = client.post(reverse("notice_act", args=[good]))
    assert (answer.status_code, "too old" in answer.content.decode()) == (410, True)
    assert client.get(link_of(notice, "stop_email")).status_code == 200
    part.refresh_from_db()
    assert part.state == "in"


def test_settings_are_shown_and_saved(alices: Client, alice: User) -> None:
    text = alices.get("/notices/settings/").content.decode()
    assert text.count('type="checkbox" id=') >= 3 * sum(kind.group != DESK for kind in KINDS.values())
    assert re.search(r'value="release_failing:in_app" checked disabled', text)
    on = [f"{slug}:in_app" for slug in KINDS] + ["payout_sent:email", "event_soon:email"]
    form = {"on": on, "has_digest": "on", "quiet_from_local": "21:30", "quiet_until_local": "06:15"}
    assert alices.post("/notices/settings/", {**form, "digest_at_local": ""})["Location"] == "/notices/settings/"
    saved = NoticeSettings.objects.get()
    assert (saved.has_quiet_hours, saved.has_digest, str(saved.quiet_from_local)) == (False, True, "21:30:00")
    assert str(saved.digest_at_local) == "18:00:00"
    switches = {(row.kind, row.channel): row.is_on for row in NoticeSwitch.objects.all()}
    assert switches["event_soon", "email"] is True
    assert switches["payout_sent", "push"] is False
    assert ("payout_sent", "email") not in switches  # the default


def test_settings_that_make_no_sense_are_refused(alices: Client) -> None:
    same = {"has_quiet_hours": "on", "quiet_from_local": "07:00", "quiet_until_local": "07:00"}
    for form in (same, {"quiet_from_local": "25:99"}):
        assert "note-error" in alices.post("/notices/settings/", form).content.decode()
    assert not NoticeSettings.objects.exists()


def test_browser_subscribes_and_leaves(alices: Client, alice: User) -> None:
    browser = Browser(FCM)
    agent = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
    body = {"endpoint": FCM, **browser.keys}
    assert alices.post("/notices/devices/", body, headers={"User-Agent": agent}).json() == {"name": "Chrome · Android"}
    assert "Chrome · Android" in alices.get("/notices/settings/").content.decode()
    assert FCM not in alices.get("/notices/settings/").content.decode()
    refused = alices.post("/notices/devices/", {**body, "endpoint": "https://evil.example/x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "unknown_service")
    assert alices.post("/notices/devices/stop/", {"endpoint": FCM}).status_code == 204
    assert not PushDevice.objects.exists()


def test_browser_that_signs_out_is_told_nothing_any_more(alices: Client, alice: User, now: datetime) -> None:
    PushDevice.objects.create(user=alice, endpoint=FCM + "2", endpoint_hash="x", created_at=now)
    alices.post("/notices/devices/", {"endpoint": FCM, **Browser(FCM).keys})
    alices.post("/account/logout/")
    assert [device.endpoint for device in PushDevice.objects.all()] == [FCM + "2"]


def test_manifest_describes_an_app_that_can_be_installed(client: Client) -> None:
    answer = client.get("/manifest.webmanifest?lang=es")
    manifest = json.loads(answer.content)
    assert answer["Content-Type"] == "application/manifest+json"
    assert (manifest["display"], manifest["start_url"], manifest["lang"]) == ("standalone", "/tonight/", "es")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert [icon["purpose"] for icon in manifest["icons"] if "purpose" in icon] == ["maskable"]
    for icon in manifest["icons"]:
        assert (Path("static") / icon["src"].removeprefix("/static/")).is_file(), icon
    assert json.loads(client.get("/manifest.webmanifest?lang=xx").content)["lang"] == "en"


def test_worker_keeps_nothing_that_knows_who_is_looking(client: Client, alice: User) -> None:
    strange, strange_page = client.get("/sw.js"), client.get("/offline/")
    client.force_login(alice)
    for answer, before in ((client.get("/sw.js"), strange), (client.get("/offline/"), strange_page)):
        assert answer.content == before.content
        assert not answer.cookies
    assert strange["Cache-Control"] == "no-cache"
    assert strange["Content-Type"].startswith("text/javascript")
    config = json.loads(re.search(r"^const CONFIG = (.*)$", strange.content.decode(), re.MULTILINE)[1])  # type: ignore[index]
    assert config["offline"] == "/offline/?lang=en"
    assert all(url == config["offline"] or url.startswith("/static/") for url in config["kept"])
    assert b"Alice" not in strange_page.content
