"""Pages about the owner: profile, consents as receipts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.flows.consents import CURRENT_TEXTS, grant_consent
from accounts.models import Consent, User
from tests.page_world import stop_clock


@pytest.fixture
def alices(alice: User, client: Client, settings: Any, tmp_path: Path, now: datetime) -> Client:
    """Alice's browser, on a clock that stands."""
    stop_clock(settings, tmp_path, now)
    client.force_login(alice)
    return client


def test_profile_is_saved(alices: Client, alice: User) -> None:
    answer = alices.post("/account/", {"name": "Alice M.", "country": "US", "time_zone": "America/Denver"})
    assert answer["Location"] == "/account/"
    alice.refresh_from_db()
    assert (alice.name, alice.time_zone) == ("Alice M.", "America/Denver")


def test_profile_refuses_a_zone_that_is_not_offered(alices: Client, alice: User) -> None:
    text = alices.post("/account/", {"name": "A", "country": "US", "time_zone": "Mars/Base"}).content.decode()
    assert 'aria-invalid="true"' in text
    alice.refresh_from_db()
    assert alice.time_zone == "America/Chicago"


def test_country_cannot_be_changed_once_something_was_agreed(alices: Client, alice: User, now: datetime) -> None:
    grant_consent(user=alice, purpose="data_use", now=now)
    alices.post("/account/", {"name": "Alice", "country": "CA", "time_zone": "America/Chicago"})
    alice.refresh_from_db()
    assert alice.country == "US"
    assert "Fixed since you first agreed" in alices.get("/account/").content.decode()


def test_each_consent_is_given_and_taken_back_on_its_own(alices: Client, alice: User, now: datetime) -> None:
    alices.post("/consents/", {"purpose": "data_use", "answer": "grant"})
    receipt = Consent.objects.get(user=alice)
    assert (receipt.purpose, receipt.granted_at, receipt.revoked_at) == ("data_use", now, None)
    text = alices.get("/consents/").content.decode()
    assert receipt.text_sha256[:12] in text
    assert text.count("Not agreed") == 1
    alices.post("/consents/", {"purpose": "data_use", "answer": "revoke"})
    receipt.refresh_from_db()
    assert receipt.revoked_at == now


def test_every_paragraph_of_an_agreement_is_shown(alices: Client) -> None:
    text = alices.get("/consents/").content.decode()
    for purpose in CURRENT_TEXTS.values():
        assert text.count("<p>") >= len(purpose.paragraphs)
        assert purpose.version in text


def test_consent_to_an_older_text_asks_again(alices: Client, alice: User, now: datetime) -> None:
    Consent.objects.create(user=alice, purpose="data_use", version="2020-01", text_sha256="0" * 64, granted_at=now)
    assert "Agree to the new version" in alices.get("/consents/").content.decode()


@pytest.mark.parametrize(
    "form", [{"purpose": "sell_my_data", "answer": "grant"}, {"purpose": "data_use"}, {}, {"answer": "perhaps"}]
)
def test_an_answer_that_makes_no_sense_changes_nothing(alices: Client, form: dict[str, str]) -> None:
    answer = alices.post("/consents/", form, follow=True)
    assert answer.status_code == 200
    assert 'class="note note-error"' in answer.content.decode()
    assert not Consent.objects.exists()


def test_taking_back_what_was_never_given_says_so(alices: Client) -> None:
    answer = alices.post("/consents/", {"purpose": "data_use", "answer": "revoke"}, follow=True)
    assert "nothing to take back" in answer.content.decode()
