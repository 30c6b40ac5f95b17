"""What every call under /api/v1/ keeps to: problems, ETags, preconditions, idempotency keys, limits, changes."""

from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from accounts.flows.notices import notify
from accounts.models import User
from chargescape import changes
from chargescape.api import keys
from chargescape.models import SyncPoint, WriteKey
from chargescape.tasks import forget_old_keys
from foundation import clock
from grid.flows.events.taking_part import opt_out
from grid.models import Site
from rewards.models import Payout, PayTerms
from tests.factories.rewards import earn
from tests.page_world import World, build_world, stop_clock
from vehicles.flows import preferences
from vehicles.models import ChargeOverride, ChargePreference

API = "/api/v1"
WISHES = {
    "target_soc_percent": 80,
    "minimum_soc_percent": 20,
    "reserve_soc_percent": 30,
    "is_v2g_allowed": False,
    "departures": [{"weekday": 0, "leaves_at": "07:30"}],
}


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything, a clock that stands, and a cache that has counted nothing yet."""
    cache.clear()
    stop_clock(settings, tmp_path, now)
    return build_world(alice, now=now)


@pytest.fixture
def app(world: World, client: Client) -> Client:
    """Alice's app."""
    client.force_login(world.owner)
    return client


def put(app: Client, path: str, body: Any, **headers: str) -> Any:
    return app.put(f"{API}/{path}", body, content_type="application/json", headers=headers)


def post(app: Client, path: str, body: Any = None, **headers: str) -> Any:
    return app.post(f"{API}/{path}", body or {}, content_type="application/json", headers=headers)


def test_address_of_nothing_answers_apps_with_a_problem_and_people_with_a_page(client: Client, db: None) -> None:
    nothing = client.get(f"{API}/no-such-thing/")
    assert (nothing.status_code, nothing["Content-Type"]) == (404, "application/problem+json")
    assert nothing.json()["code"] == "not_found"
    assert client.get("/no-such-thing/")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "host", "code", "status"),
    [
        ('{"name": ' + "[" * 50_000, "testserver", "parse_error", 400),
        ('{"name": "' + "x" * 3_000_000 + '"}', "testserver", "too_large", 413),
        ("{}", "elsewhere.example", "parse_error", 400),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    client: Client, charlie: User, *, body: str, host: str, code: str, status: int
) -> None:
    client.force_login(charlie)
    told = client.patch(
        f"{API}/me/profile/", body, content_type="application/json", headers={"host": host, "idempotency-key": "k"}
    )
    assert (told.status_code, told["Content-Type"], told.json()["code"]) == (status, "application/problem+json", code)


@pytest.mark.parametrize("cursor", ["p=abc", "p=", "p=1\x00", "p=" + "9" * 5_000, "p=-1"])
def test_cursor_that_names_no_row_is_not_found(client: Client, charlie: User, cursor: str) -> None:
    client.force_login(charlie)
    told = client.get(f"{API}/notices/", {"cursor": b64encode(cursor.encode()).decode()})
    assert (told.status_code, told.json()["code"]) in {(404, "not_found"), (400, "parse_error")}


def test_tonight_tells_what_charging_now_costs_and_what_may_be_left_out(app: Client, world: World) -> None:
    form = {"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 2, "position": 0}
    PayTerms.objects.create(
        program="evening-relief", version=1, utility="lone-star", currency="USD", time_zone="UTC",
        valid_from_at=clock.now() - timedelta(days=40), forms=[form],
    )  # fmt: skip
    (night,) = app.get(f"{API}/tonight/").json()
    assert night["charge_now"]["currency"] == "USD"
    assert night["charge_now"]["ready_at"] > clock.now().isoformat()
    told = {name: night["allowance"][name] for name in ("program", "most", "used", "left", "pay_minor", "is_spent")}
    assert told == {
        "program": "Evening Relief", "most": 2, "used": 0, "left": 2, "pay_minor": 1_000, "is_spent": False,
    }  # fmt: skip
    opt_out(participation=world.coming, now=clock.now())
    assert app.get(f"{API}/tonight/").json()[0]["allowance"]["left"] == 1


def test_problem_has_a_stable_code_and_words(app: Client, world: World) -> None:
    answer = post(app, "payouts/pay-now/")
    again = post(app, "payouts/pay-now/")

    assert answer.status_code == 201
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
    problem = again.json()
    assert problem["type"] == f"urn:chargescape:problem:{problem['code']}"
    assert {"title", "status", "code", "detail"} <= problem.keys()
    assert again["Cache-Control"] == "no-store"


def test_what_one_has_is_not_sent_again(app: Client, world: World) -> None:
    first = app.get(f"{API}/sites/")
    again = app.get(f"{API}/sites/", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])

    Site.objects.filter(owner=world.owner).update(address="2 New Street")
    assert app.get(f"{API}/sites/", headers={"If-None-Match": first["ETag"]}).status_code == 200
    assert "private" in first["Cache-Control"]
    assert "Authorization" in first["Vary"]


def test_preference_that_was_changed_meanwhile_is_not_overwritten(app: Client, world: World) -> None:
    path = f"vehicles/{world.vehicle.public_id}/preference/"
    read = app.get(f"{API}/{path}")
    assert put(app, path, WISHES, **{"If-Match": read["ETag"]}).status_code == 200

    late = put(app, path, WISHES | {"target_soc_percent": 95}, **{"If-Match": read["ETag"]})

    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert ChargePreference.objects.get(vehicle=world.vehicle).target_soc_percent == 80
    fresh = app.get(f"{API}/{path}")["ETag"]
    assert put(app, path, WISHES | {"target_soc_percent": 95}, **{"If-Match": fresh}).status_code == 200
    assert put(app, path, WISHES, **{"If-Match": "*"}).status_code == 200
    assert put(app, path, WISHES | {"target_soc_percent": 10}, **{"If-Match": "*"}).status_code == 409


def test_a_write_sent_twice_is_done_once_and_answered_twice(app: Client, world: World, now: datetime) -> None:
    first = post(app, "payouts/pay-now/", {"currency": "USD"}, **{"Idempotency-Key": "wish-1"})
    earn(world.owner, 500, now=now)
    Payout.objects.update(state="paid", paid_at=now)

    again = post(app, "payouts/pay-now/", {"currency": "USD"}, **{"Idempotency-Key": "wish-1"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (again["Idempotency-Replayed"], again["Content-Type"]) == ("true", first["Content-Type"])
    assert Payout.objects.count() == 1


def test_a_refusal_is_answered_the_same_as_well(app: Client, world: World) -> None:
    path = f"vehicles/{world.vehicle.public_id}/preference/"
    wrong = WISHES | {"target_soc_percent": 10}
    answers = [put(app, path, wrong, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [409, 409]
    assert answers[0].json() == answers[1].json()


def test_key_stands_for_one_request_of_one_owner(app: Client, world: World, bob: User) -> None:
    car = f"vehicles/{world.vehicle.public_id}"
    assert post(app, f"{car}/charge-now/", **{"Idempotency-Key": "k"}).status_code == 201
    for path, body in ((f"{car}/skip/", None), (f"{car}/charge-now/", {"other": 1})):
        other = post(app, path, body, **{"Idempotency-Key": "k"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    stranger = Client()
    stranger.force_login(bob)
    assert post(stranger, f"{car}/charge-now/", **{"Idempotency-Key": "k"}).status_code == 404


@pytest.mark.parametrize("key", ["", "with space", "é", "x" * 201])
def test_key_that_cannot_be_kept_is_said_so(app: Client, key: str) -> None:
    answer = post(app, "payouts/pay-now/", **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert not Payout.objects.exists()


def test_request_under_way_is_not_started_again_until_its_process_is_dead(
    app: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"vehicles/{world.vehicle.public_id}/charge-now/"
    with monkeypatch.context() as dying:
        dying.setattr(keys, "keep", lambda *_: None)  # the process dies between the deed and its answer
        post(app, path, **{"Idempotency-Key": "k"})
    made = ChargeOverride.objects.filter(kind="charge_now").count()

    early = post(app, path, **{"Idempotency-Key": "k"})
    with time_machine.travel(clock.wall() + keys.LEASE + timedelta(seconds=1), tick=False):
        late = post(app, path, **{"Idempotency-Key": "k"})
        again = post(app, path, **{"Idempotency-Key": "k"})

    assert (early.status_code, early.json()["code"]) == (409, "idempotency_in_flight")
    assert (late.status_code, again.content) == (201, late.content)
    assert ChargeOverride.objects.filter(kind="charge_now").count() == made == 1


def test_failure_of_ours_gives_the_key_free(app: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"vehicles/{world.vehicle.public_id}/charge-now/"
    with monkeypatch.context() as broken:
        broken.delattr(preferences, "charge_now")
        with pytest.raises(AttributeError):
            post(app, path, **{"Idempotency-Key": "k"})
    assert post(app, path, **{"Idempotency-Key": "k"}).status_code == 201


def test_fault_of_ours_is_a_problem_too(app: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(preferences, "charge_now")
    app.raise_request_exception = False
    answer = post(app, f"vehicles/{world.vehicle.public_id}/charge-now/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["code"] == "server_error"


def test_keys_are_forgotten_after_a_day(app: Client, world: World) -> None:
    path = f"vehicles/{world.vehicle.public_id}/charge-now/"
    post(app, path, **{"Idempotency-Key": "k"})
    forget_old_keys()
    assert WriteKey.objects.count() == 1
    with time_machine.travel(clock.wall() + keys.KEPT, tick=False):
        forget_old_keys()
    assert WriteKey.objects.count() == 0


def test_answers_kept_for_a_key_are_encrypted(app: Client, world: World) -> None:
    post(app, "links/", {"maker": "ford"}, **{"Idempotency-Key": "k"})
    with_secret = WriteKey.objects.get()
    raw = WriteKey.objects.extra(select={"raw": "body"}).values_list("raw", flat=True).get()
    assert with_secret.body.startswith("{")
    assert not raw.startswith("{")


def test_limits_are_told_and_kept(app: Client, world: World, settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"user": "3/hour", "writes": "1/hour", "anonymous": "1/hour"}
    }
    first = app.get(f"{API}/me/")
    assert first["RateLimit-Policy"] == '"user";q=3;w=3600'
    assert first["RateLimit"].startswith('"user";r=2;t=')
    assert '"writes";r=0' in post(app, "consents/revoke/", {"purpose": "data_use"})["RateLimit"]
    refused = post(app, "consents/revoke/", {"purpose": "data_use"})
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert app.get(f"{API}/me/").status_code == 429


def test_without_a_cache_calls_are_answered_uncounted(app: Client, world: World, settings: Any) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}
    assert app.get(f"{API}/me/").status_code == 200


def news(app: Client, cursor: str = "", **more: Any) -> dict[str, Any]:
    answer = app.get(f"{API}/changes/", {"since": cursor, **more})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_changes_tell_what_is_new_changed_and_gone(app: Client, world: World, now: datetime) -> None:
    start = news(app)
    kinds = {one["kind"] for one in start["changes"]}
    assert {"me", "vehicle", "preference", "override", "link", "site", "enrollment", "plan", "participation"} <= kinds
    assert {"settlement", "payout_account", "consent"} <= kinds
    for one in start["changes"]:
        assert app.get(one["url"]).status_code == 200, one
    assert news(app, start["cursor"]) == {"changes": [], "cursor": start["cursor"], "has_more": False}

    preferences.set_paused(vehicle=world.vehicle, is_paused=True, now=now)
    notify(user=world.owner, kind="payout_sent", key="x", params={}, now=now)
    world.vehicle.plans.all().delete()
    told = news(app, start["cursor"])

    assert {(one["kind"], one["is_deleted"]) for one in told["changes"]} == {
        ("preference", False), ("notice", False), ("plan", True),
    }  # fmt: skip
    assert news(app, start["cursor"])["changes"] == told["changes"]  # the answer was lost: asked once more
    assert news(app, told["cursor"])["changes"] == []


def test_changes_come_in_pages_and_none_is_lost_between_them(app: Client, world: World, now: datetime) -> None:
    whole = {(one["kind"], one["id"]) for one in news(app)["changes"]}
    page, seen = news(app, page_size=3), set()
    while True:
        seen |= {(one["kind"], one["id"]) for one in page["changes"]}
        if not page["has_more"]:
            break
        page = news(app, page["cursor"], page_size=3)
    assert seen == whole
    assert SyncPoint.objects.filter(user=world.owner).count() <= 50


def test_what_commits_while_changes_are_read_is_told_the_next_time(
    app: Client, world: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = news(app)["cursor"]
    preferences.set_paused(vehicle=world.vehicle, is_paused=True, now=now)
    true_state = changes._rows_now

    def overtaken(owner: User) -> Any:
        state = true_state(owner)
        preferences.set_paused(vehicle=world.vehicle, is_paused=False, now=now)  # commits behind the comparison
        return state

    with monkeypatch.context() as race:
        race.setattr(changes, "_rows_now", overtaken)
        first = news(app, start)
    assert [one["kind"] for one in first["changes"]] == ["preference"]
    assert [one["kind"] for one in news(app, first["cursor"])["changes"]] == ["preference"]


def test_cursors_are_ones_own_and_grow_old(app: Client, world: World, charlie: User, now: datetime) -> None:
    cursor = news(app)["cursor"]
    stranger = Client()
    stranger.force_login(charlie)
    for who, given in ((stranger, cursor), (app, "made-up"), (app, cursor[:-2])):
        answer = who.get(f"{API}/changes/", {"since": given})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    SyncPoint.objects.all().delete()
    answer = app.get(f"{API}/changes/", {"since": cursor})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_expired")
