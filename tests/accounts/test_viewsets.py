"""The account by API: me, consents; each sees their own."""

from datetime import datetime

import pytest
from rest_framework.test import APIClient

from accounts.flows.consents import grant_consent
from accounts.models import Consent, User

pytestmark = pytest.mark.django_db

API = "/api/v1"


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("path", ["me", "consents", "consents/texts", "notices"])
def test_nobody_reads_without_signing_in(path: str) -> None:
    assert APIClient().get(f"{API}/{path}/").status_code in {401, 403}


def test_me_is_who_signed_in(alice: User) -> None:
    shown = signed_in(alice).get(f"{API}/me/").data
    assert shown == {
        "id": str(alice.public_id),
        "email": "alice@example.org",
        "name": "Alice",
        "country": "US",
        "time_zone": "America/Chicago",
        "language": "",
        "currency": "USD",
    }


def test_profile_changes_what_may_change(alice: User) -> None:
    answer = signed_in(alice).patch(
        f"{API}/me/profile/", {"name": "Alice M", "email": "other@example.org", "is_staff": True}, format="json"
    )
    alice.refresh_from_db()
    assert (answer.status_code, alice.name, alice.email, alice.is_staff) == (200, "Alice M", "alice@example.org", False)


def test_profile_refusal_names_the_field(alice: User) -> None:
    answer = signed_in(alice).patch(f"{API}/me/profile/", {"time_zone": "Texas"}, format="json")
    assert (answer.status_code, list(answer.data["errors"])) == (409, ["time_zone"])


def test_owner_agrees_and_takes_back(alice: User) -> None:
    api = signed_in(alice)
    given = api.post(f"{API}/consents/", {"purpose": "data_use"}, format="json")
    assert (given.status_code, given.data["revoked_at"]) == (201, None)
    texts = {text["purpose"]: text for text in api.get(f"{API}/consents/texts/").data}
    assert (texts["data_use"]["is_granted"], texts["grid_participation"]["is_granted"]) == (True, False)
    assert texts["data_use"]["text_sha256"] == given.data["text_sha256"]
    taken = api.post(f"{API}/consents/revoke/", {"purpose": "data_use"}, format="json")
    assert taken.data["revoked_at"] is not None
    again = api.post(f"{API}/consents/revoke/", {"purpose": "data_use"}, format="json")
    assert (again.status_code, again.data["code"]) == (409, "not_given")


@pytest.mark.parametrize("body", [{}, {"purpose": "sell_my_data"}, {"purpose": ["data_use"]}, []])
def test_agreement_that_is_none_is_refused(alice: User, body: object) -> None:
    answer = signed_in(alice).post(f"{API}/consents/", body, format="json")
    assert answer.status_code == 400
    assert not Consent.objects.exists()


def test_stranger_finds_no_receipt_of_anothers(alice: User, charlie: User, now: datetime) -> None:
    receipt = grant_consent(user=alice, purpose="data_use", now=now)
    api = signed_in(charlie)
    assert api.get(f"{API}/consents/{receipt.public_id}/").status_code == 404
    assert api.get(f"{API}/consents/").data["results"] == []
    assert signed_in(alice).get(f"{API}/consents/{receipt.public_id}/").status_code == 200
