"""Every address and method, for whoever has no business there: the signed-out, other owners, staff of any role."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.api_world import build_api_world, read_out, values_of
from tests.page_world import World, stop_clock
from tests.url_map import (
    BY_SIGNATURE,
    CATALOGUE,
    METHODS,
    ONE_OWNERS,
    OPEN,
    OWN,
    UTILITYS,
    WHAT_TO_DO,
    Place,
    places,
)

NOBODYS = "7f9f0f0e-4c4b-4a57-8f0b-0a4f8f4a3c11"
REFUSED = {401, 403, 404, 405, 415}


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything; nobody else owns anything."""
    cache.clear()
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"user": "1000000/s", "writes": "1000000/s", "anonymous": "1000000/s"}
    }
    stop_clock(settings, tmp_path, now)
    return build_api_world(alice, now=now)


def ask(client: Client, method: str, address: str) -> Any:
    """Send a request as a browser or an app would; an answer that is an error of ours raises."""
    return read_out(client.generic(method, address, b"{}", content_type="application/json"))


def address_of(place: Place, world: World) -> str:
    """Return the place's address for alice's things."""
    values: dict[str, Any] = dict.fromkeys(place.arguments, "ford") | values_of(world)
    if place.name in UTILITYS:
        terms = world.past.event.terms
        values |= dict.fromkeys(("invoice", "rehearsal"), NOBODYS)
        values |= {"utility": terms.program.utility.slug, "program": terms.program.public_id}
        values["event"] = world.past.event.public_id
    if place.room == "api" and "public_id" in place.arguments:
        model = place.view.cls.queryset.model
        row = model.objects.first()
        assert row is not None, f"{place.name}: alice has no {model.__name__}; give her one in tests/api_world.py"
        values["public_id"] = row.public_id
    return place.at(values)


def everything() -> dict[str, list[Any]]:
    """Return every row of every table of ours, but what telling somebody apart may write: sessions, and last_login."""
    rows: dict[str, list[Any]] = {}
    for model in apps.get_models():
        if model._meta.app_label in {"accounts", "vehicles", "grid", "rewards"}:
            names = [field.attname for field in model._meta.concrete_fields if field.name != "last_login"]
            rows[model.__name__] = [str(row) for row in model._default_manager.order_by("pk").values_list(*names)]
    return rows


def test_every_address_stands_in_one_group() -> None:
    web = {place.name for place in places() if place.room == "web"}
    groups = (OPEN, BY_SIGNATURE, OWN, ONE_OWNERS, UTILITYS)
    unlisted = sorted(web - set().union(*groups))
    assert not unlisted, f"{WHAT_TO_DO}: {unlisted}"
    assert sum(map(len, groups)) == len(set().union(*groups)), "a name stands in two groups"
    gone = sorted(set().union(*groups) - {place.name for place in places()})
    assert not gone, f"these are no addresses any more: {gone}"
    about_one = {place.name for place in places() if place.room == "web" and place.arguments}
    assert about_one >= ONE_OWNERS


def test_signed_out_nobody_gets_anywhere(world: World) -> None:
    before, client = everything(), Client()
    for place in places():
        if place.name in OPEN or place.room == "allauth":
            continue
        address = address_of(place, world) if place.room != "staff" else place.at(dict.fromkeys(place.arguments, 1))
        for method in METHODS:
            answer = ask(client, method, address)
            what = f"{method} {address} ({place.name}) answered {answer.status_code}"
            if place.name in BY_SIGNATURE:
                assert 400 <= answer.status_code < 500 or method == "OPTIONS", what
            elif place.room == "api":
                assert answer.status_code in {401, 403}, what
            elif answer.status_code == 302:
                is_sent_to_sign_in = answer["Location"].startswith(("/account/login/", "/admin/login/"))
                assert is_sent_to_sign_in or place.name == "admin:logout", what
            else:
                assert answer.status_code == 405 or place.name == "admin:jsi18n", what
    assert everything() == before


def other(role: str) -> User:
    """Return somebody who is not alice: another owner, or staff of one role and no more."""
    who = User.objects.create_user(f"{role}@example.org", "charge-the-grid", name=role, is_staff=role != "owner")
    if role != "owner":
        who.groups.add(*Group.objects.filter(name=role))
    return who


@pytest.mark.parametrize("role", ["owner", "support", "operations", "finance", "utility"])
def test_what_is_alices_does_not_exist_for_others(world: World, role: str) -> None:
    client = Client()
    client.force_login(other(role))
    before = everything()
    tried = 0
    for place in places():
        is_hers = place.name in ONE_OWNERS or (place.room == "api" and "public_id" in place.arguments)
        if not is_hers or place.basename in CATALOGUE:
            continue
        address = address_of(place, world)
        for method in METHODS if role == "owner" else ("GET", "POST"):
            answer = ask(client, method, address)
            may_say = {404, 405} | ({200} if method == "OPTIONS" else set())
            assert answer.status_code in may_say, f"{role}: {method} {address} answered {answer.status_code}"
            tried += 1
    assert tried > 80
    assert everything() == before


def test_lists_and_pages_of_others_show_nothing_of_alices(world: World) -> None:
    client = Client()
    client.force_login(other("owner"))
    hers = {str(value) for value in values_of(world).values() if isinstance(value, UUID)} | {
        world.owner.email,
        "Blue Lightning",
    }
    for place in places():
        if place.room in {"api", "web"} and place.name not in OPEN | BY_SIGNATURE and not place.arguments:
            answer = ask(client, "GET", place.at({}))
            text = "" if answer.streaming else answer.content.decode(errors="replace")  # a file of one's own
            assert not [one for one in hers if one in text], place.name


@pytest.mark.parametrize("role", ["owner", "support", "operations", "finance", "utility"])
def test_utilitys_desk_exists_for_nobody_without_a_right(world: World, role: str) -> None:
    clients = [Client(), Client()]
    clients[0].force_login(other(role))  # whose group has no rights here
    clients[1].force_login(world.owner)
    before = everything()
    for place in places():
        if place.name in UTILITYS:
            for client in clients:
                for method in ("GET", "POST"):
                    answer = ask(client, method, address_of(place, world))
                    assert answer.status_code in {404, 405}, f"{role}: {method} {place.name}: {answer.status_code}"
    assert everything() == before


@pytest.mark.parametrize("role", ["owner"])
def test_owners_get_nowhere_among_staff(world: World, role: str) -> None:
    client = Client()
    client.force_login(other(role))
    for place in places():
        if place.room != "staff" or place.name == "admin:jsi18n":
            continue
        for method in ("GET", "POST"):
            answer = ask(client, method, place.at(dict.fromkeys(place.arguments, 1)))
            assert answer.status_code in {302, 403, 404, 405}, f"{method} {place.name} answered {answer.status_code}"
            if answer.status_code == 302:
                assert "login" in answer["Location"] or place.name == "admin:logout", place.name


def test_nobodys_ids_are_found_by_nobody(world: World) -> None:
    client = Client()
    client.force_login(world.owner)
    for place in places():
        if place.name in ONE_OWNERS or (place.room == "api" and "public_id" in place.arguments):
            address = place.at(dict.fromkeys(place.arguments, NOBODYS))
            for method in ("GET", "POST", "PUT"):
                assert ask(client, method, address).status_code in {404, 405}, f"{method} {address}"


def test_allauths_pages_never_break(world: World) -> None:
    for client in (Client(), Client()):
        for place in places():
            if place.room == "allauth":
                for method in ("GET", "POST", "DELETE"):
                    answer = ask(client, method, place.at(dict.fromkeys(place.arguments, "1-abc")))
                    assert answer.status_code < 500, f"{method} {place.name}"
        client.force_login(world.owner)
