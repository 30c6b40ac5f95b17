"""Consent: versioned texts, receipts that stay, taking back at any time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import translation

from accounts import agreements
from accounts.flows import consents
from accounts.flows.consents import (
    CURRENT_TEXTS,
    UnableToConsent,
    grant_consent,
    has_consent,
    is_in_force,
    revoke_consent,
    text_of,
)
from accounts.models import Consent, User

pytestmark = pytest.mark.django_db

STEERING = Consent.Purpose.GRID_PARTICIPATION


def test_every_purpose_has_a_text_to_read() -> None:
    assert set(CURRENT_TEXTS) == set(Consent.Purpose.values)
    for text in CURRENT_TEXTS.values():
        assert len(text.paragraphs) >= 3
        assert "take this back at any time" in text.body


def test_receipt_names_version_and_fingerprint_of_the_text(alice: User, now: datetime) -> None:
    receipt = grant_consent(user=alice, purpose=STEERING, now=now)
    text = CURRENT_TEXTS[STEERING]
    assert (receipt.version, receipt.text_sha256) == (text.version, text.sha256)
    assert (receipt.granted_at, receipt.revoked_at) == (now, None)
    assert has_consent(alice, STEERING)


def test_purposes_are_agreed_to_each_on_its_own(alice: User, bob: User, now: datetime) -> None:
    grant_consent(user=alice, purpose=STEERING, now=now)
    assert not has_consent(alice, Consent.Purpose.DATA_USE)
    assert not has_consent(bob, STEERING)


def test_agreeing_twice_keeps_the_first_receipt(alice: User, now: datetime) -> None:
    first = grant_consent(user=alice, purpose=STEERING, now=now)
    assert grant_consent(user=alice, purpose=STEERING, now=now + timedelta(days=1)) == first
    assert Consent.objects.count() == 1


def test_newer_text_closes_the_older_receipt(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    first = grant_consent(user=alice, purpose=STEERING, now=now)
    newer = replace(CURRENT_TEXTS[STEERING], version="2027-05")
    monkeypatch.setitem(consents.CURRENT_TEXTS, STEERING, newer)
    second = grant_consent(user=alice, purpose=STEERING, now=now + timedelta(days=1))
    first.refresh_from_db()
    assert (first.revoked_at, second.version) == (now + timedelta(days=1), "2027-05")
    assert has_consent(alice, STEERING)


def test_taking_back_closes_the_receipt_and_keeps_it(alice: User, now: datetime) -> None:
    grant_consent(user=alice, purpose=STEERING, now=now)
    receipt = revoke_consent(user=alice, purpose=STEERING, now=now + timedelta(days=1))
    assert receipt.revoked_at == now + timedelta(days=1)
    assert not has_consent(alice, STEERING)
    assert Consent.objects.count() == 1


def test_agreeing_again_after_taking_back_makes_a_new_receipt(alice: User, now: datetime) -> None:
    grant_consent(user=alice, purpose=STEERING, now=now)
    revoke_consent(user=alice, purpose=STEERING, now=now)
    grant_consent(user=alice, purpose=STEERING, now=now + timedelta(days=1))
    assert (Consent.objects.count(), has_consent(alice, STEERING)) == (2, True)


def test_nothing_to_take_back_is_refused(alice: User, now: datetime) -> None:
    with pytest.raises(UnableToConsent) as refused:
        revoke_consent(user=alice, purpose=STEERING, now=now)
    assert refused.value.reason_code == "not_given"


@pytest.mark.parametrize("act", [grant_consent, revoke_consent])
def test_unknown_purpose_is_refused(alice: User, now: datetime, act: object) -> None:
    with pytest.raises(UnableToConsent, match="no such agreement"):
        act(user=alice, purpose="sell_my_data", now=now)  # type: ignore[operator]


def test_clock_that_was_set_back_does_not_break_the_receipt(alice: User, now: datetime) -> None:
    grant_consent(user=alice, purpose=STEERING, now=now)
    assert revoke_consent(user=alice, purpose=STEERING, now=now - timedelta(days=1)).revoked_at == now


def test_receipt_names_the_language_in_which_the_text_was_read(alice: User, now: datetime) -> None:
    with translation.override("es"):
        shown = text_of(STEERING)
        receipt = grant_consent(user=alice, purpose=STEERING, now=now)
    assert shown.title == "Dejar que la red eléctrica dirija la carga de mi auto"
    assert (receipt.language, receipt.text_sha256) == ("es", shown.sha256)
    # Agreed in one language is agreed: reading it in another asks for nothing again.
    assert is_in_force(receipt)
    assert grant_consent(user=alice, purpose=STEERING, language="fr-ca", now=now) == receipt


def test_every_language_has_every_text_in_its_own_words() -> None:
    assert set(agreements.TEXTS) == {code for code, _ in settings.LANGUAGES}
    texts = [text_of(purpose, language) for purpose in CURRENT_TEXTS for language in agreements.TEXTS]
    assert len({text.sha256 for text in texts}) == len(CURRENT_TEXTS) * len(agreements.TEXTS)
    assert all(len(text.paragraphs) == 4 for text in texts)
