"""Notices: once a key, in the reader's own time, e-mailed at most once."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from accounts.flows.notices import (
    TEXTS,
    UnableToNotify,
    mark_read,
    notify,
    notify_all,
    read_aloud,
    send_due_notices,
)
from accounts.models import Notice, User

pytestmark = pytest.mark.django_db

HOME = Path(__file__).resolve().parents[3]


def tell(user: User, now: datetime, key: str = "k", kind: str = "payout_sent", **params: Any) -> Notice:
    return notify(user=user, kind=kind, key=key, params=params or {"amount_minor": 1234, "currency": "USD"}, now=now)


def test_telling_twice_keeps_the_first_notice(alice: User, now: datetime) -> None:
    first = tell(alice, now)
    assert tell(alice, now + timedelta(days=1), amount_minor=1) == first
    assert Notice.objects.get().params["amount_minor"] == 1234


def test_key_is_the_readers_own(alice: User, bob: User, now: datetime) -> None:
    tell(alice, now)
    tell(bob, now)
    assert Notice.objects.count() == 2


@pytest.mark.parametrize("key", ["", "k" * 121])
def test_notice_without_a_fit_key_is_refused(alice: User, now: datetime, key: str) -> None:
    with pytest.raises(UnableToNotify):
        tell(alice, now, key)


def test_many_are_told_once_each(alice: User, bob: User, now: datetime) -> None:
    for _ in range(2):
        notify_all(user_ids=[alice.pk, bob.pk, alice.pk], kind="x", key="k", params={}, now=now)
    assert Notice.objects.count() == 2


def test_times_are_the_readers_own(alice: User, now: datetime) -> None:
    notice = tell(
        alice, now, kind="event_cancelled", program="Evening Relief", starts_at=now.isoformat(), ends_at=now.isoformat()
    )
    assert (
        read_aloud(notice, zone=ZoneInfo("America/St_Johns")).title == "The event on Wed Nov 18, 19:35 NST is cancelled"
    )
    assert "from Wed Nov 18, 18:05 EST" in read_aloud(notice, zone=ZoneInfo("America/Toronto")).body


def test_money_is_shown_in_its_currency(alice: User, now: datetime) -> None:
    notice = tell(alice, now, amount_minor=123456, currency="CAD")
    assert read_aloud(notice, zone=alice.zone).title == "$1,234.56 CAD is on its way to your bank"


def test_unknown_kind_and_missing_parameters_read_generally(alice: User, now: datetime) -> None:
    assert read_aloud(tell(alice, now, kind="later_kind"), zone=alice.zone).title == "News from ChargeScape"
    bare = tell(alice, now, "k2", kind="withdrawn", vehicle="Lightning")
    assert read_aloud(bare, zone=alice.zone).title == "Lightning has left -"


def test_braces_in_a_parameter_stay_as_they_are(alice: User, now: datetime) -> None:
    notice = tell(alice, now, kind="withdrawn", vehicle="{program.__class__}", program="P")
    assert read_aloud(notice, zone=alice.zone).title == "{program.__class__} has left P"


def test_every_kind_that_is_told_has_a_text() -> None:
    told = {
        kind
        for room in ("accounts", "vehicles", "grid", "rewards", "chargescape")
        for path in (HOME / room).rglob("*.py")
        for kind in re.findall(r"(?:notify|tell|_tell_of_the_end)\([^)]*?kind=\"(\w+)\"", path.read_text())
    }
    assert {"event_announced", "payout_sent", "link_needs_relink"} <= told
    assert told <= set(TEXTS)


def test_reading_is_recorded_once(alice: User, now: datetime) -> None:
    notice = mark_read(notice=tell(alice, now), now=now)
    assert mark_read(notice=notice, now=now + timedelta(days=1)).read_at == now


def test_notice_is_e_mailed_once(alice: User, now: datetime) -> None:
    tell(alice, now)
    assert [send_due_notices(now=now, limit=10) for _ in range(2)] == [1, 0]
    letter = mail.outbox[0]
    assert (letter.to, letter.subject) == ([alice.email], "ChargeScape: $12.34 USD is on its way to your bank")
    assert letter.body.startswith("Hello Alice,\n\nIt usually arrives")
    assert "http://localhost:8000/payouts/" in letter.body
    assert Notice.objects.get().emailed_at == now


def test_sweep_keeps_to_its_limit_oldest_first(alice: User, now: datetime) -> None:
    tell(alice, now, "new")
    tell(alice, now - timedelta(days=1), "old")
    assert send_due_notices(now=now, limit=1) == 1
    assert Notice.objects.get(key="new").emailed_at is None


def test_closed_account_gets_no_mail(alice: User, now: datetime) -> None:
    tell(alice, now)
    User.objects.update(is_active=False)
    assert send_due_notices(now=now, limit=10) == 0
    assert mail.outbox == []


def test_subject_is_one_line_whatever_a_car_is_called(alice: User, now: datetime) -> None:
    tell(alice, now, kind="enrolled", vehicle="Blue\nBcc: all@example.org", program="P")
    send_due_notices(now=now, limit=10)
    assert mail.outbox[0].subject == "ChargeScape: Blue Bcc: all@example.org takes part in P"
    assert mail.outbox[0].recipients() == [alice.email]


def test_notices_wait_for_a_mail_server_that_is_away(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(alice, now, "one")
    tell(alice, now, "two")
    tries = []

    def hang_up(_: EmailBackend, messages: Any) -> int:
        tries.append(messages)
        raise SMTPServerDisconnected("gone")

    with monkeypatch.context() as away:
        away.setattr(EmailBackend, "send_messages", hang_up)
        assert send_due_notices(now=now, limit=10) == 0
    assert len(tries) == 1  # the sweep ends at the first, the others would fare no better
    assert send_due_notices(now=now, limit=10) == 2


def test_address_that_the_server_refuses_does_not_hold_up_the_others(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(alice, now - timedelta(minutes=1))
    tell(bob, now)
    deliver = EmailBackend.send_messages

    def refuse_alice(backend: EmailBackend, messages: Any) -> int:
        if messages[0].to == [alice.email]:
            raise SMTPRecipientsRefused({})
        return int(deliver(backend, messages))

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_alice)
    assert [send_due_notices(now=now, limit=10) for _ in range(2)] == [1, 0]
    assert [letter.to for letter in mail.outbox] == [[bob.email]]
