"""The whole OAuth walk, over the wire, as an app and an owner would walk it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.cast import ALICE, ALICES_MACH_E, ALICES_TRUCK, BOB
from tests.sandbox.ford_client import FordClient, callback_query
from tests.sandbox_owner import OwnerBrowser, offered_cars
from tests.sandbox_process import CLIENT_ID


def test_link_hands_out_tokens_with_fords_lifetimes(ford: FordClient) -> None:
    callback = OwnerBrowser(ALICE).allow(ford.authorize_url())
    query = callback_query(callback)
    reply = ford.redeem(query["code"])
    assert query["state"] == "0123456789abcdef"
    assert reply.status_code == 200
    tokens = reply.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 1200
    assert tokens["refresh_expires_in"] == pytest.approx(7_776_000, abs=5)
    assert tokens["refresh_token"] != tokens["access_token"]


def test_consent_page_offers_the_signed_in_accounts_cars_alone(ford: FordClient) -> None:
    assert set(offered_cars(OwnerBrowser(ALICE).open_consent(ford.authorize_url()))) == {ALICES_TRUCK, ALICES_MACH_E}
    assert not set(offered_cars(OwnerBrowser(BOB).open_consent(ford.authorize_url()))) & {ALICES_TRUCK, ALICES_MACH_E}


def test_wrong_password_shows_the_sign_in_page_again(ford: FordClient) -> None:
    page = OwnerBrowser(ALICE, password="wrong").open_consent(ford.authorize_url())
    assert "do not fit together" in page.text
    assert not offered_cars(page)


def test_another_account_can_be_used_from_the_consent_page(ford: FordClient) -> None:
    browser = OwnerBrowser(ALICE)
    page = browser.open_consent(ford.authorize_url())
    token = browser.session.cookies["sandbox_csrf"]
    url = f"{ford.sandbox.url}/ford/sign-out"
    form = {"csrfmiddlewaretoken": token, "next": page.url.removeprefix(ford.sandbox.url)}
    assert "/sign-in" in browser.session.post(url, data=form, headers={"Referer": page.url}, timeout=30).url


def test_deny_comes_back_as_access_denied(ford: FordClient) -> None:
    query = callback_query(OwnerBrowser(ALICE).deny(ford.authorize_url()))
    assert query == {"error": "access_denied", "state": "0123456789abcdef"}


def test_allow_without_a_car_is_asked_again(ford: FordClient) -> None:
    browser = OwnerBrowser(ALICE)
    reply = browser.decide(browser.open_consent(ford.authorize_url()), action="allow", vehicle_ids=[])
    assert reply.status_code == 200
    assert "Choose at least one car" in reply.text


def test_another_accounts_car_cannot_be_allowed(ford: FordClient) -> None:
    browser = OwnerBrowser(BOB)
    reply = browser.decide(browser.open_consent(ford.authorize_url()), action="allow", vehicle_ids=[ALICES_TRUCK])
    assert reply.status_code == 200
    assert "Location" not in reply.headers


@pytest.mark.parametrize(
    "changes", [{"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}]
)
def test_authorize_without_pkce_s256_is_refused(ford: FordClient, changes: dict[str, str | None]) -> None:
    browser = OwnerBrowser(ALICE)
    browser.open_consent(ford.authorize_url())
    reply = browser.session.get(ford.authorize_url(**changes), allow_redirects=False, timeout=30)
    assert callback_query(reply.headers["Location"])["error"] == "invalid_request"


def test_unknown_client_or_redirect_uri_never_redirects(ford: FordClient) -> None:
    browser = OwnerBrowser(ALICE)
    for changes in ({"client_id": "nobody"}, {"redirect_uri": "http://evil.example/"}):
        page = browser.open_consent(ford.authorize_url(**changes))
        assert page.url.startswith(ford.sandbox.url)
        assert "This link does not work" in page.text


def test_wrong_verifier_is_refused(ford: FordClient) -> None:
    query = callback_query(OwnerBrowser(ALICE).allow(ford.authorize_url()))
    reply = ford.redeem(query["code"], code_verifier="x" * 64)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_wrong_client_secret_is_refused(ford: FordClient) -> None:
    query = callback_query(OwnerBrowser(ALICE).allow(ford.authorize_url()))
    reply = ford.redeem(query["code"], client_secret="wrong")
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


def test_code_counts_once(ford: FordClient) -> None:
    query = callback_query(OwnerBrowser(ALICE).allow(ford.authorize_url()))
    assert ford.redeem(query["code"]).status_code == 200
    second = ford.redeem(query["code"])
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


def test_refresh_rotates_and_the_old_token_is_invalid(ford: FordClient) -> None:
    first = ford.link(ALICE).tokens
    reply = ford.refresh(first["refresh_token"])
    assert reply.status_code == 200
    assert reply.json()["refresh_token"] != first["refresh_token"]
    assert reply.json()["refresh_expires_in"] == pytest.approx(7_776_000, abs=5)
    reused = ford.refresh(first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    ford.tokens = reply.json()
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 200


def test_refresh_used_at_the_same_time_succeeds_once(ford: FordClient) -> None:
    token = ford.link(ALICE).tokens["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: FordClient(ford.sandbox).refresh(token).status_code, range(8)))
    assert sorted(codes) == [200] + [400] * 7


def test_consent_counts_for_the_chosen_cars_alone(ford: FordClient) -> None:
    ford.link(ALICE, [ALICES_MACH_E])
    assert ford.vehicle("GET", ALICES_MACH_E).status_code == 200
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 403
    assert ford.vehicle("GET", "0" * 32).status_code == 404
    listed = ford.call("GET", "api/fordconnect/v3/vehicles").json()["vehicles"]
    shares = {vehicle["vehicleId"]: vehicle["vehicleAuthorizationIndicator"] for vehicle in listed}
    assert shares == {ALICES_MACH_E: 1, ALICES_TRUCK: 0}


def test_refreshed_tokens_keep_the_chosen_cars(ford: FordClient) -> None:
    ford.link(ALICE, [ALICES_MACH_E])
    ford.tokens = ford.refresh(ford.tokens["refresh_token"]).json()
    assert ford.vehicle("GET", ALICES_MACH_E).status_code == 200
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 403


def test_revoking_one_token_ends_the_whole_grant(ford: FordClient) -> None:
    tokens = ford.link(ALICE).tokens
    other = FordClient(ford.sandbox).link(ALICE)
    form = {"token": tokens["refresh_token"], "client_id": CLIENT_ID, "client_secret": "wrong"}
    assert ford.call("POST", "oauth2/revoke", data=form).status_code == 401
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 200
    form["client_secret"] = "a-client-secret-of-the-tests"
    assert ford.call("POST", "oauth2/revoke", data=form).status_code == 200
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 401
    assert ford.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert other.vehicle("GET", ALICES_TRUCK).status_code == 200


def test_owner_withdraws_at_the_maker_and_expired_tokens_can_be_refreshed(ford: FordClient) -> None:
    ford.link(ALICE)
    ford.sandbox.control("PATCH", "makers/ford", expireAccessTokens=True)
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 401
    ford.tokens = ford.refresh(ford.tokens["refresh_token"]).json()
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 200
    ford.sandbox.control("PATCH", "makers/ford", revokeGrantsOf=ALICE)
    assert ford.vehicle("GET", ALICES_TRUCK).status_code == 401
    assert ford.refresh(ford.tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_api_wants_token_and_application(ford: FordClient) -> None:
    assert ford.call("GET", "api/fordconnect/v3/vehicles").status_code == 401
    ford.link(ALICE)
    assert ford.call("GET", "api/fordconnect/v3/vehicles", headers={"Application-Id": "other"}).status_code == 401
    assert ford.call("GET", "api/fordconnect/v3/vehicles", headers={"Authorization": "Basic x"}).status_code == 401
