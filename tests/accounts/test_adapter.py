"""allauth's hooks: codes by e-mail, secrets at rest, a mail server that is away."""

import logging
import re
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from cryptography.fernet import InvalidToken
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from foundation.fields import cipher

pytestmark = pytest.mark.django_db

WISHES = {"email": "New.Owner@example.org", "password1": "a-long-phrase-9", "password2": "a-long-phrase-9"}


def test_sign_up_sends_a_code_and_waits_for_it(client: Client) -> None:
    answer = client.post("/account/signup/", WISHES)
    assert answer.status_code == 302
    assert mail.outbox[0].to == ["new.owner@example.org"]
    code = re.search(r"\b[A-Z0-9]{3,4}-[A-Z0-9]{3,4}\b", str(mail.outbox[0].body))
    assert code is not None
    assert "_auth_user_id" not in client.session
    client.post("/account/confirm-email/", {"code": code.group()})
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


def test_sign_up_survives_a_mail_server_that_is_away_and_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang_up(_: EmailBackend, messages: Any) -> int:
        raise ConnectionRefusedError(f"cannot reach the server for {messages[0].to}")

    monkeypatch.setattr(EmailBackend, "send_messages", hang_up)
    with caplog.at_level(logging.DEBUG):
        page = client.post("/account/signup/", WISHES, follow=True)
    assert page.status_code == 200
    assert "could not send you an e-mail" in " ".join(str(message) for message in page.context["messages"])
    assert "example.org" not in caplog.text.lower()


def test_second_factor_secret_is_unreadable_at_rest() -> None:
    adapter = get_adapter()
    sealed = adapter.encrypt("TOTPSECRET")
    assert "TOTPSECRET" not in sealed
    assert adapter.decrypt(sealed) == "TOTPSECRET"


def test_second_factor_secret_of_a_foreign_key_is_refused(settings: Settings) -> None:
    sealed = get_adapter().encrypt("TOTPSECRET")
    settings.FIELD_ENCRYPTION_KEYS = ["c2VjcmV0IGtleSBvZiBzb21lYm9keSBlbHNlISEhISE="]
    with pytest.raises(InvalidToken):
        cipher().decrypt(sealed.encode())
