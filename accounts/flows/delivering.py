"""Deliveries that are due go out: e-mails one by one, the day's digest, pushes. Each claims its row before it is sent.

What was sent is recorded after it was handed over. A process that dies in between leaves a claim that lapses, and the
delivery is tried again: an e-mail then carries the same Message-ID and a push the same topic and tag, so that mailboxes
and browsers which look at these show it once.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import requests
from django.core.mail import EmailMultiAlternatives, get_connection

from accounts import push_services
from accounts.flows import letters, pushes
from accounts.flows.routing import route_due_notices
from accounts.models import Notice, NoticeDelivery
from foundation import clock

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)  # longer than a sweep takes
SWEEP_SECONDS = 20.0
WAITS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 1800, 3600, 7200))
ROUTED_A_SWEEP = 2000

Due = NoticeDelivery.Channel


def send_due_notices(*, now: datetime, limit: int) -> int:
    """Route new notices and send what is due by e-mail; return how many e-mails went out."""
    route_due_notices(now=now, limit=max(limit, ROUTED_A_SWEEP))
    return send_due_emails(now=now, limit=limit) + send_due_digests(now=now, limit=limit)


def send_due_emails(*, now: datetime, limit: int) -> int:
    """Send up to `limit` e-mails that are due, each at most once a notice, and return how many went out.

    A mail server that is away ends the sweep early; an address it refuses is not tried again.
    """
    due = NoticeDelivery.due(now=now, wall=clock.wall()).filter(
        channel=Due.EMAIL, is_digest=False, notice__user__is_active=True
    )
    rows = _in_time(due.select_related("notice__user")[:limit], now)
    return _post([[row] for row in rows], now)


def send_due_digests(*, now: datetime, limit: int) -> int:
    """Send the daily e-mail to up to `limit` owners who want one and have news, and return how many went out."""
    due = NoticeDelivery.due(now=now, wall=clock.wall()).filter(
        channel=Due.EMAIL, is_digest=True, notice__user__is_active=True
    )
    by_user: dict[int, list[NoticeDelivery]] = {}
    for row in due.select_related("notice__user")[: limit * letters.MOST_IN_DIGEST]:
        by_user.setdefault(row.notice.user_id, []).append(row)
    return _post(list(by_user.values())[:limit], now)


def _in_time(rows: Iterable[NoticeDelivery], now: datetime) -> list[NoticeDelivery]:
    """Return the deliveries that are still news; the others are left out for good."""
    found: list[NoticeDelivery] = []
    late: list[NoticeDelivery] = []
    for row in rows:
        (late if row.expires_at is not None and row.expires_at <= now else found).append(row)
    if late:
        NoticeDelivery.objects.filter(pk__in=[row.pk for row in late], state=NoticeDelivery.State.DUE).update(
            state=NoticeDelivery.State.LATE
        )
    return found


def _post(envelopes: list[list[NoticeDelivery]], now: datetime) -> int:
    """Send one e-mail for each group of deliveries; returns how many went out."""
    sent, began = 0, time.monotonic()
    connection = get_connection() if envelopes else None
    try:
        for group in envelopes:
            if time.monotonic() - began > SWEEP_SECONDS:
                break
            mine = _claimed(group)
            if not mine:
                continue
            try:
                _send_letter(mine, connection, now)
            except SMTPRecipientsRefused:  # asking again would hold up everybody behind it
                _give_up(mine, "address refused")
            except SMTPResponseException as error:
                if error.smtp_code >= 500:
                    _give_up(mine, f"SMTP {error.smtp_code}")
                else:
                    _wait(mine, f"SMTP {error.smtp_code}")
            except (SMTPException, OSError) as error:
                _give_back(mine, type(error).__name__)
                break
            except Exception as error:
                logger.exception("notice %s could not be written", mine[0].notice.public_id)
                _wait(mine, type(error).__name__)
            else:
                sent += 1
    finally:
        if connection is not None:
            connection.close()
    return sent


def _claimed(group: list[NoticeDelivery]) -> list[NoticeDelivery]:
    wall = clock.wall()
    return [row for row in group if row.claim(wall=wall, until=wall + LEASE)]


def _send_letter(rows: list[NoticeDelivery], connection: Any, now: datetime) -> None:
    letter = letters.write_digest(rows, now=now) if rows[0].is_digest else letters.write_letter(rows[0])
    message = EmailMultiAlternatives(
        letter.subject, letter.text, to=[letter.to], headers=letter.headers, connection=connection
    )
    message.attach_alternative(letter.html, "text/html")
    message.send()
    for row in rows:
        row.note(state=NoticeDelivery.State.SENT, sent_at=now)
    Notice.objects.filter(pk__in=[row.notice_id for row in rows]).update(emailed_at=now)


def _give_up(rows: list[NoticeDelivery], reason: str) -> None:
    for row in rows:
        logger.warning("notice %s not sent by %s: %s", row.notice.public_id, row.channel, reason)
        row.note(state=NoticeDelivery.State.FAILED, failure=reason[:60])


def _give_back(rows: list[NoticeDelivery], reason: str) -> None:
    """Free the rows at once: it is the server that is away, and the next sweep asks it again."""
    logger.warning("%d e-mails wait for the mail server: %s", len(rows), reason)
    for row in rows:
        row.note(attempts=row.attempts - 1, failure=reason[:60])


def _wait(rows: list[NoticeDelivery], reason: str, *, seconds: float = 0) -> None:
    for row in rows:
        if row.attempts > len(WAITS):
            _give_up([row], reason)
            continue
        again = max(WAITS[row.attempts - 1], timedelta(seconds=seconds))
        row.note(retry_at=clock.wall() + again, failure=reason[:60])


def send_due_pushes(*, now: datetime, limit: int) -> int:
    """Send up to `limit` pushes that are due, and return how many were taken.

    A browser that has ended its subscription is forgotten. Pushes wait while this installation has no key.
    """
    if not push_services.is_enabled():
        return 0
    due = NoticeDelivery.due(now=now, wall=clock.wall()).filter(channel=Due.PUSH, notice__user__is_active=True)
    rows = _in_time(due.select_related("notice__user", "device")[:limit], now)
    sent, began = 0, time.monotonic()
    with push_services.open_door() as session:
        for row in rows:
            if time.monotonic() - began > SWEEP_SECONDS:
                break
            if _claimed([row]):
                sent += _push(row, session, now)
    return sent


def _push(row: NoticeDelivery, session: requests.Session, now: datetime) -> bool:
    device = row.device
    assert device is not None  # a constraint says so
    try:
        push_services.send(
            pushes.write_push(row, now=now),
            endpoint=device.endpoint,
            p256dh=device.p256dh,
            auth=device.auth,
            session=session,
        )
    except push_services.DeviceGone:
        logger.info("push device %s is gone", device.public_id)
        device.delete()
    except push_services.PushRefused as error:
        _give_up([row], str(error))
    except push_services.PushFailed as error:
        _wait([row], str(error), seconds=error.wait_seconds)
    except Exception as error:
        logger.exception("notice %s could not be pushed", row.notice.public_id)
        _wait([row], type(error).__name__)
    else:
        return row.note(state=NoticeDelivery.State.SENT, sent_at=now)
    return False
