"""Our OAuth client before a judge: PKCE, rotation with reuse detection, device codes, revocation, short lives."""

import secrets
import time
from typing import Any

import pytest

from accounts.models import User
from foundation import clock
from foundation.http import mount_door, open_session
from tests.factories import vehicles as make
from tests.vehicles.judge.conftest import REDIRECT_URI, Judge, Owner
from vehicles import gateway
from vehicles.automakers.base import Grant, LinkBegin, LinkCallback, RedirectTo, Tools
from vehicles.automakers.errors import AuthRevoked, LinkPending
from vehicles.automakers.honda import Honda
from vehicles.automakers.oauth import OAuthClient, Provider
from vehicles.models import VehicleLink

pytestmark = pytest.mark.slow
SECRET = "a-secret-of-forty-letters-for-the-judge-1"
SCOPE = "openid offline_access vehicle.state vehicle.location vehicle.actions"
TOOLS = Tools(open_session, mount_door, clock)


def client(judge: Judge, *, client_id: str = "chargescape", secret: str = SECRET) -> OAuthClient:
    """Our client, registered at the judge."""
    provider = Provider(
        authorize_url=f"{judge.url}/auth",
        token_url=f"{judge.url}/token",
        revoke_url=f"{judge.url}/token/revocation",
        device_code_url=f"{judge.url}/device/auth",
        client_id=client_id,
        client_secret=secret,
        scope=SCOPE,
        extra={} if client_id.endswith("public") else {"prompt": "consent"},
    )
    return OAuthClient(provider, TOOLS)


def begin() -> LinkBegin:
    return LinkBegin(secrets.token_urlsafe(12), secrets.token_urlsafe(48), REDIRECT_URI)


def link(judge: Judge) -> Grant:
    """Walk a whole link."""
    started, oauth = begin(), client(judge)
    params = Owner().allow(oauth.begin(started).url)
    assert params["state"] == started.state
    return oauth.complete(LinkCallback(params, started.code_verifier, REDIRECT_URI))


def test_code_with_pkce_becomes_a_grant_that_works(judge: Judge) -> None:
    grant = link(judge)

    assert judge.accepts(grant.access_token)
    assert grant.refresh_token
    assert grant.access_expires_in_seconds == 3
    assert set(grant.scopes) == set(SCOPE.split())


def test_request_without_pkce_is_turned_back(judge: Judge) -> None:
    url = client(judge).begin(begin()).url
    assert "code_challenge_method=S256" in url

    bare = "&".join(part for part in url.split("&") if not part.startswith("code_challenge"))

    assert Owner().allow(bare)["error"] == "invalid_request"


def test_code_of_another_verifier_or_spent_before_is_refused(judge: Judge) -> None:
    oauth, started = client(judge), begin()
    callback = LinkCallback(Owner().allow(oauth.begin(started).url), "w" * 64, REDIRECT_URI)
    with pytest.raises(AuthRevoked):
        oauth.complete(callback)

    started = begin()
    params = Owner().allow(oauth.begin(started).url)
    grant = oauth.complete(LinkCallback(params, started.code_verifier, REDIRECT_URI))
    with pytest.raises(AuthRevoked):
        oauth.complete(LinkCallback(params, started.code_verifier, REDIRECT_URI))
    assert not judge.accepts(grant.access_token)  # a code that comes twice ends what it gave


def test_owner_who_denies_is_told_apart(judge: Judge) -> None:
    assert Owner().allow(client(judge).begin(begin()).url, aborts=True)["error"] == "access_denied"


def test_refresh_rotates_and_reuse_kills_the_chain(judge: Judge) -> None:
    oauth, first = client(judge), link(judge)

    second = oauth.refresh(first.refresh_token)
    third = oauth.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert judge.accepts(third.access_token)

    with pytest.raises(AuthRevoked):
        oauth.refresh(first.refresh_token)
    with pytest.raises(AuthRevoked):
        oauth.refresh(third.refresh_token)
    assert not judge.accepts(third.access_token)


def test_revoked_grant_is_over(judge: Judge) -> None:
    oauth, grant = client(judge), link(judge)

    oauth.revoke(access_token=grant.access_token, refresh_token=grant.refresh_token)

    assert not judge.accepts(grant.access_token)
    with pytest.raises(AuthRevoked):
        oauth.refresh(grant.refresh_token)


@pytest.mark.parametrize(("client_id", "secret"), [("chargescape", SECRET), ("chargescape-public", "")])
def test_device_code_waits_for_the_owner(judge: Judge, client_id: str, secret: str) -> None:
    oauth, started = client(judge, client_id=client_id, secret=secret), begin()
    code = oauth.begin_device(started)
    asking = LinkCallback({"device_code": code.device_code}, started.code_verifier, "")
    with pytest.raises(LinkPending):
        oauth.complete_device(asking)

    page = Owner().walk(f"{code.verification_url}?user_code={code.user_code}")
    grant = oauth.complete_device(asking)

    assert "Signed in" in page or "Sign-in Success" in page, page[:400]
    assert judge.accepts(grant.access_token)
    assert oauth.refresh(grant.refresh_token).access_token != grant.access_token
    with pytest.raises(AuthRevoked):
        oauth.complete_device(asking)


def test_denied_and_unknown_device_codes_end(judge: Judge) -> None:
    oauth, started = client(judge), begin()
    code = oauth.begin_device(started)
    Owner().walk(f"{code.verification_url}?user_code={code.user_code}", aborts=True)

    for device_code in (code.device_code, "never-given-out"):
        with pytest.raises(AuthRevoked):
            oauth.complete_device(LinkCallback({"device_code": device_code}, started.code_verifier, ""))


def test_wrong_secret_costs_no_owner_the_link(judge: Judge) -> None:
    grant = link(judge)

    with pytest.raises(Exception, match="token endpoint: invalid_client"):
        client(judge, secret="not-the-secret").refresh(grant.refresh_token)
    assert client(judge).refresh(grant.refresh_token).access_token


def test_app_enters_by_itself(judge: Judge) -> None:
    grant = client(judge).enter_as_app()

    assert (bool(grant.access_token), grant.refresh_token) == (True, "")
    assert grant.access_expires_in_seconds == 60


@pytest.mark.usefixtures("db")
def test_gateway_spends_each_refresh_token_once(alice: User, judge: Judge, settings: Any) -> None:
    settings.AUTOMAKERS = {"honda": _credentials(judge)}
    started = begin()
    start = Honda(_credentials(judge), TOOLS).begin_link(started)
    assert isinstance(start, RedirectTo)
    params = Owner().allow(f"{start.url}&prompt=consent")
    row = make.link(alice, maker="honda")
    grant = gateway.adapter("honda").complete_link(LinkCallback(params, started.code_verifier, REDIRECT_URI))
    gateway.store_grant(row, grant)
    before = judge.counts()

    # Each row is as a process read it long ago: its refresh token is spent, and spending it again would end the grant.
    stale = [VehicleLink.objects.get(pk=row.pk) for _ in range(6)]
    tokens = [gateway.access_token(each) for each in stale]

    assert len(set(tokens)) == 6  # so short-lived that every caller needs its own
    after = judge.counts()
    assert after["refresh_token"] - before.get("refresh_token", 0) == 6
    assert after.get("invalid_grant", 0) == before.get("invalid_grant", 0)


def test_short_lived_token_ends(judge: Judge) -> None:
    grant = link(judge)
    deadline = time.monotonic() + 60

    while judge.accepts(grant.access_token):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    assert judge.accepts(client(judge).refresh(grant.refresh_token).access_token)


def _credentials(judge: Judge) -> dict[str, str]:
    return {
        "client_id": "chargescape",
        "client_secret": SECRET,
        "authorize_url": f"{judge.url}/auth",
        "token_url": f"{judge.url}/token",
        "revoke_url": f"{judge.url}/token/revocation",
        "api_base": judge.url,
    }
