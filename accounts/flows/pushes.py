"""Notices as pushes: title, body and where a click leads. No car's number, no place, no name of the owner."""

import json
from datetime import datetime

from django.utils import translation

from accounts.flows.letters import action_links
from accounts.flows.notices import read_aloud
from accounts.models import NoticeDelivery
from accounts.notice_kinds import kind_of
from accounts.push_services import Push

LONGEST_BODY = 400  # characters; a service takes 4096 bytes once encrypted
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 86_400
MOST_ACTIONS = 2  # what browsers show


def write_push(delivery: NoticeDelivery, *, now: datetime) -> Push:
    """Return the message for one browser, in the reader's language; kept by the service while it is news."""
    notice, user = delivery.notice, delivery.notice.user
    with translation.override(user.language or "en"):
        shown = read_aloud(notice, reader=user)
        actions = action_links(notice, now=now)[:MOST_ACTIONS]
        message = {
            "title": shown.title[:120],
            "body": _shortened(shown.body),
            "url": shown.path,
            "tag": notice.public_id.hex,
            "lang": translation.get_language() or "en",
            "actions": [{"title": link.label, "url": link.url} for link in actions],
        }
    seconds = LONGEST_SECONDS if delivery.expires_at is None else int((delivery.expires_at - now).total_seconds())
    return Push(
        body=json.dumps(message, ensure_ascii=False),
        ttl_seconds=min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS),
        topic=notice.public_id.hex,
        is_urgent=kind_of(notice.kind).is_urgent,
    )


def _shortened(body: str) -> str:
    return body if len(body) <= LONGEST_BODY else body[: LONGEST_BODY - 1].rstrip() + "…"
