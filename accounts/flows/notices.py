"""What owners are told: once a key, on the page and by e-mail, in their own words and time zone."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from accounts.models import Notice, User
from foundation.money import major_units
from foundation.refusals import Refusal

logger = logging.getLogger(__name__)

BATCH = 500


class UnableToNotify(Refusal):
    """The notice was not made."""


@dataclass(frozen=True)
class NoticeText:
    """How one kind of notice reads. `{name}` stands for a parameter; `path` is the page that shows more."""

    title: str
    body: str
    path: str = "/"


# Parameters that end in `_at` are ISO instants, shown in the reader's zone; `amount_minor` comes with `currency` and
# is shown as `{amount}`.
TEXTS: dict[str, NoticeText] = {
    "event_announced": NoticeText(
        "The grid asks for help on {starts_at}",
        "{program} asks your car to help from {starts_at} to {ends_at}. It pays {reward} per kWh delivered. Your car "
        "takes part by itself and is still ready when you leave; you may leave this one out on the event's page.",
        "/events/",
    ),
    "event_cancelled": NoticeText(
        "The event on {starts_at} is cancelled",
        "{program} no longer needs help from {starts_at} to {ends_at}. Your car charges by its usual plan.",
        "/events/",
    ),
    "event_changed": NoticeText(
        "The event on {starts_at} has changed",
        "{program} now asks for help from {starts_at} to {ends_at}. Your plan follows by itself and your car is still "
        "ready when you leave; you may leave this one out on the event's page.",
        "/events/",
    ),
    "event_shortened": NoticeText(
        "The event of {starts_at} has ended early",
        "{program} ended its request at {ends_at}. What your car delivered until then is paid.",
        "/events/",
    ),
    "enrolled": NoticeText(
        "{vehicle} takes part in {program}",
        "We tell you before each event. You may skip any event, or leave the program, at any time.",
        "/cars/",
    ),
    "withdrawn": NoticeText(
        "{vehicle} has left {program}",
        "It charges as soon as it is plugged in. What it earned stays yours.",
        "/cars/",
    ),
    "link_needs_relink": NoticeText(
        "Please link your {maker} account again",
        "The automaker no longer lets us read your car, so it cannot take part. It charges as if we were not there. "
        "Linking again takes a minute.",
        "/cars/",
    ),
    "car_left": NoticeText(
        "{vehicle} is no longer linked",
        "We neither read nor steer it any more; it charges as soon as it is plugged in. If that was not your doing, "
        "link your account again.",
        "/cars/",
    ),
    "car_found": NoticeText(
        "{vehicle} can take part too",
        "We found it in your {maker} account. Choose it on your cars page if it charges at your home; until then we "
        "leave it alone.",
        "/cars/",
    ),
    "release_failing": NoticeText(
        "Please check whether {vehicle} is charging",
        "We paused it for a while and cannot get its maker to start it again. We keep trying. To be safe, start "
        "charging in the maker's app, or unplug the car and plug it in again.",
        "/cars/",
    ),
    "settlement_posted": NoticeText(
        "You earned {amount}",
        "Your car delivered {energy} in the event of {starts_at}. The earnings page shows how it was worked out.",
        "/earnings/",
    ),
    "payout_sent": NoticeText(
        "{amount} is on its way to your bank", "It usually arrives within two working days.", "/payouts/"
    ),
    "payout_cancelled": NoticeText(
        "Your payout of {amount} could not be made",
        "The payment processor did not accept it. The money is back in your balance. Please look at your payout "
        "details; we try again on the next payday.",
        "/payouts/",
    ),
    "payout_failed": NoticeText(
        "Your bank sent {amount} back",
        "The money is safe. Please check your bank details; we try again after that.",
        "/payouts/",
    ),
}
_OTHER = NoticeText("News from ChargeScape", "There is something new on your page.")


@dataclass(frozen=True)
class ReadableNotice:
    """A notice as its owner reads it."""

    title: str
    body: str
    path: str


class _Parameters(dict[str, str]):
    """Shows a parameter that was not given as a dash: a thin notice beats none."""

    def __missing__(self, key: str) -> str:
        return "-"


def notify(*, user: User, kind: str, key: str, params: Mapping[str, Any], now: datetime) -> Notice:
    """Tell the user something once per `key`, and return the notice (the first one where the key is known).

    `kind` chooses the text of `TEXTS`; an unknown kind reads generally. The e-mail goes out with the next sweep.
    Raises UnableToNotify for an empty key.
    """
    if not key or len(key) > 120:
        raise UnableToNotify("A notice needs a key of 1 to 120 characters.", code="bad_key")
    notice, _ = Notice.objects.get_or_create(
        user=user, key=key, defaults={"kind": kind, "params": dict(params), "created_at": now}
    )
    return notice


def notify_all(*, user_ids: Iterable[int], kind: str, key: str, params: Mapping[str, Any], now: datetime) -> None:
    """Tell many users the same thing, each once per `key`; telling again adds nothing."""
    notices = [
        Notice(user_id=user_id, kind=kind, key=key, params=dict(params), created_at=now)
        for user_id in dict.fromkeys(user_ids)
    ]
    Notice.objects.bulk_create(notices, batch_size=BATCH, ignore_conflicts=True)


def mark_read(*, notice: Notice, now: datetime) -> Notice:
    """Record that the owner has seen the notice; the first time counts."""
    if notice.read_at is None:
        notice.read_at = now
        notice.save(update_fields=["read_at"])
    return notice


def read_aloud(notice: Notice, *, zone: ZoneInfo) -> ReadableNotice:
    """Return the notice's text with its parameters filled in and times in `zone`."""
    text = TEXTS.get(notice.kind, _OTHER)
    values = _Parameters({name: _shown(name, value, zone) for name, value in notice.params.items()})
    if "amount_minor" in notice.params:
        values["amount"] = _money(notice.params)
    return ReadableNotice(text.title.format_map(values), text.body.format_map(values), text.path)


def _shown(name: str, value: Any, zone: ZoneInfo) -> str:
    if not name.endswith("_at"):
        return str(value)
    local = datetime.fromisoformat(str(value)).astimezone(zone)
    return f"{local:%a} {local:%b} {local.day}, {local:%H:%M} {local:%Z}"


def _money(params: Mapping[str, Any]) -> str:
    currency = str(params.get("currency", "USD"))
    amount: Decimal = major_units(amount_minor=int(params["amount_minor"]), currency=currency)
    return f"${amount:,.2f} {currency}"


def send_due_notices(*, now: datetime, limit: int) -> int:
    """E-mail notices that were not e-mailed yet, each at most once, and return how many went out.

    A notice is claimed before its mail is handed over and given back where the mail server refuses, so that a
    process that dies in between loses one e-mail (the page still shows the notice) rather than sending it twice.
    A mail server that is away ends the sweep early; an address it refuses is not tried again.
    """
    waiting = Notice.objects.filter(emailed_at__isnull=True, user__is_active=True).select_related("user")
    sent = 0
    connection = get_connection()
    try:
        for notice in waiting.order_by("created_at", "pk")[:limit]:
            if not Notice.objects.filter(pk=notice.pk, emailed_at__isnull=True).update(emailed_at=now):
                continue
            try:
                subject, body = _written(notice)
                EmailMessage(
                    subject, body, settings.DEFAULT_FROM_EMAIL, [notice.user.email], connection=connection
                ).send()
            except SMTPRecipientsRefused:  # asking again would hold up everybody behind it
                logger.warning("notice %s: the mail server refuses its reader", notice.public_id)
                continue
            except (SMTPException, OSError) as error:
                Notice.objects.filter(pk=notice.pk).update(emailed_at=None)
                logger.warning("notice %s not sent: %s", notice.public_id, type(error).__name__)
                break
            sent += 1
    finally:
        connection.close()
    return sent


def _written(notice: Notice) -> tuple[str, str]:
    shown = read_aloud(notice, zone=notice.user.zone)
    greeting = f"Hello {notice.user.name}," if notice.user.name else "Hello,"
    body = f"{greeting}\n\n{shown.body}\n\n{settings.PUBLIC_URL}{shown.path}\n\nChargeScape\n"
    subject = " ".join(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{shown.title}".split())  # a header has one line
    return subject, body
