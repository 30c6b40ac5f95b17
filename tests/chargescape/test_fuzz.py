"""Bad input everywhere: what schemathesis makes up for every call of the API, and garbage in every form.

A bounded count here; `make soak` (CHARGESCAPE_FULL=1) tries some fifty times as much.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import responses
import schemathesis
from allauth.headless.tokens.strategies.jwt import internal
from django.core.cache import cache
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from journey.web import Form, Page
from tests.api_world import build_api_world, forget_payees, read_out, values_of
from tests.page_world import World, stop_clock
from tests.url_map import BY_SIGNATURE, Place, places

IS_FULL = os.environ.get("CHARGESCAPE_FULL") == "1"
EXAMPLES = 300 if IS_FULL else 3
FILES = {"application/zip", "text/csv", "application/octet-stream"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GARBAGE = [
    "", "\x00", "-1", "1e400", "NaN", "x" * 5_000, "🔥", "2026-02-30", "99:99", "٣", "<b>", "' OR 1=1 --", "null",
    "9" * 400, "00000000-0000-0000-0000-000000000000", "../../etc/passwd", "\ud800", "true", "1;2", "0x10",
]  # fmt: skip


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> Iterator[World]:
    """Alice with everything; nobody outside answers."""
    cache.clear()
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"user": "1000000/s", "writes": "1000000/s", "anonymous": "1000000/s"}
    }
    settings.ALLOWED_HOSTS = ["*"]
    stop_clock(settings, tmp_path, now)
    built = build_api_world(alice, now=now)
    for moment in (request_started, request_finished):  # as Django's own test client does: the connection is the test's
        moment.disconnect(close_old_connections)
    settings.STRIPE_API_KEY = "sk_test_fuzz"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as outside:
        forget_payees(outside)
        yield built
    for moment in (request_started, request_finished):
        moment.connect(close_old_connections)


@contextmanager
def nothing_stays() -> Iterator[None]:
    """Take back whatever the block writes."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # so that flows which want to be outermost may be inside
    with block:
        yield
        transaction.set_rollback(True)


def token_of(client: Client, user: User) -> str:
    """Return an access token of the user's session."""
    client.force_login(user)
    token: str = internal.create_access_token(user, client.session, {})
    return token


# The client that schemathesis sends with leaves its buffers to the garbage collector.
@pytest.mark.long
@pytest.mark.once
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_call_of_the_api_breaks(world: World, client: Client, tmp_path: Path) -> None:
    call_command("spectacular", format="openapi-json", file=str(tmp_path / "schema.json"))
    schema = schemathesis.openapi.from_dict(json.loads((tmp_path / "schema.json").read_text()))
    schema.app = get_wsgi_application()
    headers = {"Authorization": f"Bearer {token_of(client, world.owner)}"}
    ids = {place.at({"public_id": "{public_id}"} | dict.fromkeys(place.arguments, "{public_id}")): id_for(place)
           for place in places() if place.room == "api"}  # fmt: skip
    tried, broken = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # a broken schema may raise here
        if FILES & set(str(operation.definition.raw).replace("'", " ").split()):
            continue  # files are streamed, which the client of this test does not close
        given_id = ids.get(operation.path.replace("{slug}", "{public_id}").replace("{token}", "{public_id}"))
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                tried += attempt(operation, mode, given_id, headers)
            except FailureGroup as failures:
                told = [" ".join(str(one).split())[:400] for one in failures.exceptions]
                broken.append(f"{operation.method.upper()} {operation.path}, {mode.value}: {told}")
    assert not broken, "\n".join(broken)
    assert tried > 300


def id_for(place: Place) -> str:
    """Return the id of alice's thing at a place of the API, "" where it names none."""
    model = getattr(getattr(place.view.cls, "queryset", None), "model", None)
    row = model.objects.first() if model and "public_id" in place.arguments else None
    return str(row.public_id) if row else ""


def attempt(operation: Any, mode: GenerationMode, given_id: str | None, headers: dict[str, str]) -> int:
    """Send what the schema allows, or does not, to one operation; returns how often."""
    count = 0

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=not IS_FULL,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        nonlocal count
        count += 1
        if given_id and "public_id" in case.path_parameters:
            case.path_parameters["public_id"] = given_id
        with nothing_stays():
            answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)

    try:
        send()
    except Exception as error:
        if type(error).__name__ == "Unsatisfiable":  # nothing can be wrong about a call without parameters
            return 0
        raise
    return count


@pytest.mark.long
@pytest.mark.once
def test_no_form_breaks(world: World, client: Client) -> None:
    client.force_login(world.owner)
    client.raise_request_exception = False
    dice, broken, sent = Random(1), [], 0  # noqa: S311 - nothing secret
    values = values_of(world)
    for place in places():
        if place.room != "web" or place.name in BY_SIGNATURE:
            continue
        address = place.at(dict.fromkeys(place.arguments, "ford") | values)
        wishes = [wish for form, action in forms_at(client, address) for wish in fill_in(form, action, dice)]
        # And to buttons' addresses, which show no form, and to addresses that take none.
        words = dice.sample(GARBAGE, len(GARBAGE) if IS_FULL else 2)
        wishes += [(address, dict.fromkeys(("program", "email", "vehicle", "paused", "next"), word)) for word in words]
        for action, wish in wishes:
            sent += 1
            if (status := post(client, action, wish)) >= 500:
                broken.append(f"POST {action} {wish} answered {status}"[:400])
    assert not broken, "\n".join(broken)
    assert sent > 150


def forms_at(client: Client, address: str) -> list[tuple[Form, str]]:
    """Return the forms that a page shows, each with where it leads."""
    with nothing_stays():
        page = read_out(client.get(address))
    assert page.status_code < 500, address
    if page.status_code != 200 or not page["Content-Type"].startswith("text/html"):
        return []
    forms = Page(address, 200, page.content.decode()).forms()
    return [(form, form.action or address) for form in forms if form.method == "post" and "logout" not in form.action]


def fill_in(form: Form, action: str, dice: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what to post: garbage in each field in turn, and in all of them at once."""
    if action.startswith(("http", "/account/")):
        return  # the maker's and the processor's pages, and allauth's forms
    names = [name for name in {**form.fields, **form.choices} if name != "csrfmiddlewaretoken"]
    for name in names:
        for word in dice.sample(GARBAGE, len(GARBAGE) if IS_FULL else 3):
            yield action, {**form.fields, name: word}
    yield action, {name: dice.choice(GARBAGE) for name in names}


def post(client: Client, address: str, values: dict[str, Any]) -> int:
    """Post to an address of ours; returns the status, 500 where a fault of ours got through."""
    sent = {name: word.encode("utf-8", "replace") if isinstance(word, str) else word for name, word in values.items()}
    with nothing_stays():
        return int(read_out(client.post(address, sent)).status_code)
