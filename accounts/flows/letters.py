"""Notices as e-mails: in the reader's language and time, with one click for each thing to do and one to stop them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from accounts.flows.acting import make_token, offered_actions
from accounts.flows.notices import ReadableNotice, read_aloud
from accounts.models import Notice, NoticeDelivery, User
from accounts.notice_actions import ACTIONS, STOP_DIGEST, STOP_EMAIL
from accounts.notice_kinds import kind_of
from foundation.formats import moment, reader_in

MOST_IN_DIGEST = 50


@dataclass(frozen=True)
class Letter:
    """An e-mail that is ready to go."""

    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Link:
    """A place that one click leads to."""

    label: str
    url: str


def write_letter(delivery: NoticeDelivery) -> Letter:
    """Return the e-mail of one notice."""
    notice, user = delivery.notice, delivery.notice.user
    with translation.override(user.language or "en"):
        shown = read_aloud(notice, reader=user)
        stop = act_url(user, STOP_EMAIL, str(notice.public_id))
        context = {
            "shown": shown,
            "page": Link(gettext("See it in ChargeScape"), page_url(shown)),
            "actions": action_links(notice, now=delivery.due_at),
            "stop": Link(str(ACTIONS[STOP_EMAIL].label), stop),
            "reason": gettext("You get this because we write to you about: %(kind)s.")
            % {"kind": kind_of(notice.kind).name},
        }
        return _letter(user, shown.title, "notice", context, stop=stop, name=f"notice-{notice.public_id}")


def write_digest(deliveries: Sequence[NoticeDelivery], *, now: datetime) -> Letter:
    """Return the daily e-mail of one owner: what was told since the last one, newest first."""
    user = deliveries[0].notice.user
    notices = sorted((delivery.notice for delivery in deliveries), key=lambda notice: notice.created_at, reverse=True)
    with translation.override(user.language or "en"), timezone.override(user.zone):
        day = timezone.localdate(now).isoformat()
        stop = act_url(user, STOP_DIGEST, f"digest:{day}")
        reader = reader_in(user.country)
        shown = [read_aloud(notice, reader=user) for notice in notices]
        entries = [
            {"shown": one, "when": moment(notice.created_at, reader=reader, now=now), "url": page_url(one)}
            for one, notice in zip(shown, notices, strict=True)
        ]
        context = {
            "entries": entries,
            "page": Link(gettext("See your notices"), settings.PUBLIC_URL + reverse("notices")),
            "stop": Link(str(ACTIONS[STOP_DIGEST].label), stop),
            "reason": gettext("You get this once a day because you asked for one e-mail instead of many."),
        }
        subject = gettext("Your day: %(first)s") % {"first": shown[0].title}
        if len(shown) > 1:
            subject = gettext("Your day in %(count)s notices") % {"count": len(shown)}
        return _letter(user, subject, "digest", context, stop=stop, name=f"digest-{user.public_id}-{day}")


def act_url(user: User, action: str, about: str) -> str:
    """Return the address where a click is confirmed."""
    token = make_token(user=user, action=action, about=about)
    return f"{settings.PUBLIC_URL}{reverse('notice_act', args=[token])}"


def page_url(shown: ReadableNotice) -> str:
    """Return the address of the page that shows more."""
    return f"{settings.PUBLIC_URL}{shown.path}"


def action_links(notice: Notice, *, now: datetime) -> list[Link]:
    """Return what one click from the notice does, in the active language."""
    return [
        Link(str(ACTIONS[action].label), act_url(notice.user, action, str(notice.public_id)))
        for action in offered_actions(notice, now=now)
    ]


def _letter(user: User, subject: str, template: str, context: dict[str, Any], *, stop: str, name: str) -> Letter:
    values = context | {
        "owner": user,
        "settings_link": Link(gettext("Choose what we tell you"), settings.PUBLIC_URL + reverse("notice_settings")),
    }
    with timezone.override(user.zone):
        return Letter(
            to=user.email,
            subject=" ".join(f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject}".split()),  # a header has one line
            text=render_to_string(f"emails/{template}.txt", values).strip() + "\n",
            html=render_to_string(f"emails/{template}.html", values),
            headers={
                "Message-ID": f"<{name}@{_domain()}>",
                # RFC 8058: mailboxes offer "unsubscribe" and do it by one POST, which needs neither sign-in nor cookie.
                "List-Unsubscribe": f"<{stop}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "Auto-Submitted": "auto-generated",
            },
        )


def _domain() -> str:
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return address.partition("@")[2] or urlsplit(settings.PUBLIC_URL).hostname or "localhost"
