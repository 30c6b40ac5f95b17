"""How the client's calls travel: repeats under one key, tokens renewed once, problems told, pages followed."""

from typing import Any

import pytest
import requests
import responses

from client import ChargeScape, Problem, SignInPending, Unreachable
from client.http import Tokens, each

BASE = "https://chargescape.test"
PAY = f"{BASE}/api/v1/payouts/pay-now/"
HEADLESS = f"{BASE}/_allauth/app/v1"


@pytest.fixture
def waits() -> list[float]:
    """What the client waited between tries."""
    return []


@pytest.fixture
def api(waits: list[float]) -> ChargeScape:
    """A client that does not really wait."""
    return ChargeScape(BASE, tokens=Tokens(access="first", refresh="refresh-one"), sleep=waits.append)


def keys() -> list[str]:
    """Return the keys that were sent, in order."""
    return [call.request.headers["Idempotency-Key"] for call in responses.calls]


@responses.activate
def test_write_whose_answer_was_lost_is_sent_again_under_its_key(api: ChargeScape, waits: list[float]) -> None:
    responses.post(PAY, body=requests.ConnectionError("gone"))
    responses.post(PAY, status=503)
    responses.post(PAY, json={"id": "one"}, status=201)
    assert api.payouts_pay_now_create({"currency": "USD"})["id"] == "one"
    assert len(set(keys())) == 1
    assert len(keys()) == 3
    assert waits == [1, 2]


@responses.activate
def test_each_wish_has_a_key_of_its_own(api: ChargeScape) -> None:
    responses.post(PAY, json={"id": "one"}, status=201)
    api.payouts_pay_now_create({})
    api.payouts_pay_now_create({})
    api.payouts_pay_now_create({}, key="mine")
    assert len(set(keys())) == 3
    assert keys()[-1] == "mine"


@responses.activate
def test_refusal_is_told_with_its_code_and_not_tried_again(api: ChargeScape) -> None:
    body = {"code": "nothing_available", "detail": "There is nothing to pay out.", "errors": {"currency": ["no"]}}
    responses.post(PAY, json=body, status=409, content_type="application/problem+json")
    with pytest.raises(Problem, match="nothing to pay out") as refused:
        api.payouts_pay_now_create({})
    assert (refused.value.status, refused.value.code, refused.value.errors) == (
        409,
        "nothing_available",
        body["errors"],
    )
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(("after", "tries"), [("2", 2), ("3000", 1)])
def test_limit_is_waited_for_unless_it_is_long(api: ChargeScape, waits: list[float], after: str, tries: int) -> None:
    responses.get(f"{BASE}/api/v1/me/", json={"code": "throttled"}, status=429, headers={"Retry-After": after})
    responses.get(f"{BASE}/api/v1/me/", json={"id": "x"})
    if tries == 2:
        assert api.me_retrieve()["id"] == "x"
        assert waits == [2.0]
    else:
        with pytest.raises(Problem, match="throttled"):
            api.me_retrieve()
    assert len(responses.calls) == tries


@responses.activate
def test_nobody_there_is_said_after_three_tries(api: ChargeScape) -> None:
    responses.get(f"{BASE}/api/v1/me/", body=requests.ConnectionError("gone"))
    with pytest.raises(Unreachable):
        api.me_retrieve()
    assert len(responses.calls) == 3


@responses.activate
def test_old_token_is_renewed_once_and_the_call_repeated(api: ChargeScape) -> None:
    responses.get(f"{BASE}/api/v1/me/", json={"code": "authentication_failed"}, status=401)
    renewed = {"data": {"access_token": "second", "refresh_token": "refresh-two"}}
    responses.post(f"{HEADLESS}/tokens/refresh", json=renewed)
    responses.get(f"{BASE}/api/v1/me/", json={"id": "x"})
    assert api.me_retrieve()["id"] == "x"
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer second"
    assert api.tokens.refresh == "refresh-two"


@responses.activate
def test_list_is_followed_to_its_end(api: ChargeScape) -> None:
    first = f"{BASE}/api/v1/payouts/"
    more: dict[str, Any] = {"next": f"{first}?cursor=abc%3D", "previous": None, "results": [1, 2]}
    responses.get(first, json=more, match=[responses.matchers.query_param_matcher({})])
    last = {"next": None, "previous": None, "results": [3]}
    responses.get(first, json=last, match=[responses.matchers.query_param_matcher({"cursor": "abc="})])
    assert list(each(api.payouts_list)) == [1, 2, 3]


@responses.activate
def test_sign_in_that_asks_for_more_says_what(api: ChargeScape) -> None:
    asked = {"data": {"flows": [{"id": "login"}, {"id": "mfa_authenticate", "is_pending": True}]},
             "meta": {"session_token": "s"}}  # fmt: skip
    responses.post(f"{HEADLESS}/auth/login", json=asked, status=401)
    with pytest.raises(SignInPending, match="mfa_authenticate"):
        api.sign_in("dana@example.com", "charge-the-grid")
    responses.post(f"{HEADLESS}/auth/2fa/authenticate", json={"meta": {"session_token": "s", "access_token": "t"}})
    api.answer_second_factor("123456")
    assert (api.tokens.access, responses.calls[-1].request.headers["X-Session-Token"]) == ("t", "s")


@responses.activate
def test_refused_sign_up_is_a_problem(api: ChargeScape) -> None:
    errors = {"errors": [{"code": "password_too_short", "param": "password", "message": "Too short."}]}
    responses.post(f"{HEADLESS}/auth/signup", json=errors, status=400)
    with pytest.raises(Problem, match="Too short") as refused:
        api.sign_up("dana@example.com", "x")
    assert refused.value.errors == {"password": "Too short."}
