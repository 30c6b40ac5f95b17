"""How notices go out: as their owners want it, at most once a channel, whatever fails on the way."""

import re
from datetime import datetime, time, timedelta
from email.message import Message
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from accounts.flows.delivering import LEASE, send_due_notices
from accounts.flows.notice_settings import Wishes, save_notice_settings, stop_emails
from accounts.flows.notices import notify
from accounts.flows.routing import route_due_notices
from accounts.models import Notice, NoticeDelivery, User
from accounts.notice_kinds import EMAIL
from accounts.quiet import next_local, quiet_ends_at
from foundation import clock

pytestmark = pytest.mark.django_db

AUSTIN = ZoneInfo("America/Chicago")
WISHES = Wishes(
    has_quiet_hours=True,
    quiet_from_local=time(22),
    quiet_until_local=time(7),
    has_digest=False,
    digest_at_local=time(18),
)
NIGHT = datetime(2026, 11, 18, 23, 30, tzinfo=AUSTIN)


def tell(user: User, now: datetime, key: str = "k", kind: str = "payout_sent", **params: Any) -> Notice:
    return notify(user=user, kind=kind, key=key, params=params or {"amount_minor": 1234, "currency": "USD"}, now=now)


def send(now: datetime, limit: int = 10) -> int:
    return send_due_notices(now=now, limit=limit)


def html_of(letter: Any) -> str:
    """Return the e-mail's other form."""
    return str(letter.alternatives[0][0])


def test_notice_is_e_mailed_once(alice: User, now: datetime) -> None:
    notice = tell(alice, now)
    assert [send(now) for _ in range(2)] == [1, 0]
    letter = mail.outbox[0]
    assert (letter.to, letter.subject) == ([alice.email], "ChargeScape: $12.34 is on its way to your bank")
    assert letter.body.startswith("Hello Alice,\n\n$12.34 is on its way to your bank\n\nIt usually arrives")
    assert "http://localhost:8000/payouts/" in letter.body
    assert letter.extra_headers["Message-ID"] == f"<notice-{notice.public_id}@chargescape.example>"
    assert Notice.objects.get().emailed_at == now


def test_e_mail_offers_to_stop_with_one_click(alice: User, now: datetime) -> None:
    tell(alice, now)
    send(now)
    headers: Message = mail.outbox[0].message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = re.fullmatch(r"<(http://localhost:8000/notices/act/[^/>]+/)>", headers["List-Unsubscribe"])
    assert address is not None
    assert address[1] in mail.outbox[0].body


def test_e_mail_is_written_in_the_readers_language_and_escaped(alice: User, now: datetime) -> None:
    alice.language = "es"
    alice.save()
    tell(alice, now, kind="enrolled", vehicle="<b>Blue</b>", program="P")
    send(now)
    html = html_of(mail.outbox[0])
    assert '<html lang="es">' in html
    assert "<b>Blue</b>" not in html
    assert "&lt;b&gt;Blue&lt;/b&gt;" in html


def test_sweep_keeps_to_its_limit_oldest_first(alice: User, now: datetime) -> None:
    tell(alice, now, "new")
    tell(alice, now - timedelta(days=1), "old")
    assert send(now, limit=1) == 1
    assert Notice.objects.get(key="new").emailed_at is None


def test_closed_account_gets_no_mail(alice: User, bob: User, now: datetime) -> None:
    tell(alice, now)
    route_due_notices(now=now, limit=10)
    tell(alice, now, "later")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert send(now) == 0


def test_subject_is_one_line_whatever_a_car_is_called(alice: User, now: datetime) -> None:
    tell(alice, now, kind="enrolled", vehicle="Blue\nBcc: all@example.org", program="P")
    send(now)
    assert mail.outbox[0].subject == "ChargeScape: Blue Bcc: all@example.org takes part in P"
    assert mail.outbox[0].recipients() == [alice.email]


@pytest.mark.parametrize(
    "case",
    [
        (SMTPServerDisconnected("gone"), 0, 2),  # the server is away: everybody waits, and nobody loses a try
        (SMTPRecipientsRefused({}), 1, 0),  # this address is not tried again
        (SMTPDataError(554, b"no"), 1, 0),
        (SMTPDataError(451, b"later"), 1, 0),  # asked again in half a minute
        (ValueError("a fault of ours"), 1, 0),
    ],
)
def test_one_letters_trouble_is_its_own(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch, case: tuple[Exception, int, int]
) -> None:
    trouble, sent_then, sent_next = case
    tell(alice, now - timedelta(minutes=1))
    tell(bob, now)
    deliver = EmailBackend.send_messages

    def fail_for_alice(backend: EmailBackend, messages: Any) -> int:
        if messages[0].to == [alice.email]:
            raise trouble
        return int(deliver(backend, messages))

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", fail_for_alice)
        assert send(now) == sent_then
    assert send(now) == sent_next
    if str(trouble.args[0]) == "451":
        NoticeDelivery.objects.update(retry_at=clock.wall())
        assert send(now) == 1


def test_process_that_dies_while_sending_loses_nothing(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(alice, now)

    def die(_: EmailBackend, messages: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", die)
        with pytest.raises(KeyboardInterrupt):
            send(now)
    assert send(now) == 0  # still held
    NoticeDelivery.objects.update(lease_until=clock.wall() - LEASE)
    assert [send(now) for _ in range(2)] == [1, 0]


def test_kind_that_was_switched_off_is_not_e_mailed(alice: User, bob: User, now: datetime) -> None:
    stop_emails(user=alice, kinds=["payout_sent"])
    save_notice_settings(user=alice, switches={("event_soon", EMAIL): True})
    tell(alice, now)
    tell(bob, now)
    tell(alice, now, "soon", kind="event_soon", program="P")
    assert send(now) == 2
    assert [(letter.to[0], "begins" in letter.subject) for letter in mail.outbox] == [
        (bob.email, False),
        (alice.email, True),
    ]


def test_nights_are_quiet_but_for_what_cannot_wait(alice: User) -> None:
    tell(alice, NIGHT)
    tell(alice, NIGHT, "urgent", kind="release_failing", vehicle="Blue")
    assert send(NIGHT) == 1
    assert "Blue" in mail.outbox[0].subject
    morning = datetime(2026, 11, 19, 7, tzinfo=AUSTIN)
    assert send(morning - timedelta(seconds=1)) == 0
    assert send(morning) == 1


def test_what_is_no_news_in_the_morning_is_left_out(alice: User) -> None:
    span = {"starts_at": (NIGHT + timedelta(hours=2)).isoformat(), "ends_at": (NIGHT + timedelta(hours=3)).isoformat()}
    tell(alice, NIGHT, kind="event_announced", program="P", **span)
    assert send(datetime(2026, 11, 19, 7, tzinfo=AUSTIN)) == 0
    assert NoticeDelivery.objects.get().state == "late"


def test_digest_tells_of_the_whole_day_in_one_e_mail(alice: User, now: datetime) -> None:
    save_notice_settings(user=alice, wishes=Wishes(**{**vars(WISHES), "has_digest": True}))
    tell(alice, now)
    tell(alice, now, "two", kind="enrolled", vehicle="Blue", program="P")
    tell(alice, now, "urgent", kind="release_failing", vehicle="Blue")
    assert send(now) == 1  # what cannot wait comes at once
    at = datetime(2026, 11, 18, 18, 0, tzinfo=AUSTIN)
    assert send(at - timedelta(seconds=1)) == 0
    assert [send(at) for _ in range(2)] == [1, 0]
    digest = mail.outbox[1]
    assert digest.subject == "ChargeScape: Your day in 2 notices"
    assert "Blue takes part in P" in digest.body
    assert "today, 5:05" in digest.body
    assert "$12.34" in html_of(digest)


@pytest.mark.parametrize(
    ("at", "starts", "ends", "expected"),
    [
        ("2026-11-18T23:30-06:00", 22, 7, "2026-11-19T07:00-06:00"),
        ("2026-11-19T06:59-06:00", 22, 7, "2026-11-19T07:00-06:00"),
        ("2026-11-19T07:00-06:00", 22, 7, None),
        ("2026-11-18T21:59-06:00", 22, 7, None),
        ("2026-11-18T14:00-06:00", 13, 15, "2026-11-18T15:00-06:00"),
        # Clocks go back on 1 November at 2:00: the night is an hour longer, and 1:30 comes twice.
        ("2026-10-31T23:00-05:00", 22, 7, "2026-11-01T07:00-06:00"),
        ("2026-11-01T01:30-05:00", 22, 7, "2026-11-01T07:00-06:00"),
        ("2026-11-01T01:30-06:00", 22, 7, "2026-11-01T07:00-06:00"),
        ("2026-11-01T01:30-06:00", 22, 1, None),  # an end that comes twice is its first pass
        # Clocks go forward on 14 March at 2:00: an hour shorter, and 2:30 does not exist.
        ("2027-03-13T23:00-06:00", 22, 7, "2027-03-14T07:00-05:00"),
        ("2027-03-14T01:59-06:00", 22, 2, "2027-03-14T03:00-05:00"),
        ("2027-03-14T03:00-05:00", 2, 7, "2027-03-14T07:00-05:00"),
    ],
)
def test_quiet_hours_follow_the_owners_clock(at: str, starts: int, ends: int, expected: str | None) -> None:
    found = quiet_ends_at(datetime.fromisoformat(at), zone=AUSTIN, starts=time(starts), ends=time(ends))
    assert found == (datetime.fromisoformat(expected) if expected else None)


def test_digest_comes_once_a_day_on_both_nights_of_a_clock_change() -> None:
    for first, hours in (("2026-10-31T18:00-05:00", 25), ("2027-03-13T18:00-06:00", 23)):
        at = datetime.fromisoformat(first)
        assert next_local(at, zone=AUSTIN, local=time(18)) - at == timedelta(hours=hours)
