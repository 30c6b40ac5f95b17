"""Linking from an app: a one-time ticket opens the maker's page in the system browser, the app's session ends it.

The ticket signs nobody in. What comes back from the maker is kept for the session that began: whoever is talked into
opening somebody else's ticket hands that person nothing, because the return goes to the app on their own device.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings

from accounts.models import User
from foundation import clock
from foundation.fields import keyed_hash
from vehicles import gateway
from vehicles.automakers.base import LinkBegin, LinkKind, RedirectTo
from vehicles.automakers.errors import AutomakerError
from vehicles.flows.attempts import (
    ATTEMPT_LIFETIME,
    check_may_begin,
    check_session,
    keep_attempt,
    make_one_time,
    refusal,
    spend,
)
from vehicles.flows.links import finish
from vehicles.models import LinkAttempt, VehicleLink

SECRET_BYTES = 32


@dataclass(frozen=True)
class Ticket:
    """An attempt and the one-time secret that opens it."""

    attempt: LinkAttempt
    secret: str = field(repr=False)


@dataclass(frozen=True)
class OpenedTicket:
    """Where to send the browser, and the secret it must bring back."""

    url: str = field(repr=False)
    browser_secret: str = field(repr=False)


def issue_ticket(*, owner: User, maker: str, session_key: str, return_url: str, now: datetime) -> Ticket:  # noqa: ARG001
    """Begin a link for an app and return the ticket to open in the system browser, once, within ten minutes.

    `return_url` is the app's https link; without one the first of the list is taken. Raises UnableToLink for a maker
    that is not on offer or hands out device codes, or a return that is not on the list.
    """
    check_may_begin(maker=maker, session_key=session_key)
    kind = gateway.adapter(maker).link_kind
    if kind == LinkKind.DEVICE_CODE:
        raise refusal("link_kind_not_offered", field="maker")
    allowed = settings.LINK_RETURN_URLS  # https links alone: another app can claim a custom scheme
    wanted = return_url or (allowed[0] if allowed else "")
    if wanted not in allowed:
        raise refusal("return_url_not_allowed", field="return_url")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    attempt = keep_attempt(
        owner=owner,
        maker=maker,
        session_key=session_key,
        once=make_one_time(),
        kind=kind.value,
        ticket_hash=keyed_hash(secret),
        return_url=wanted,
    )
    return Ticket(attempt, secret)


def open_ticket(*, secret: str, redirect_uri_of: Mapping[str, str], now: datetime) -> OpenedTicket:  # noqa: ARG001
    """Spend the ticket and return the maker's page to go to; `redirect_uri_of` has each maker's way back to us.

    Raises UnableToLink for a ticket that is unknown, spent or expired, or a maker that does not answer.
    """
    wall = clock.wall()
    attempt = LinkAttempt.objects.filter(ticket_hash=keyed_hash(secret)).first() if secret else None
    if attempt is None or attempt.ticket_used_at is not None:
        raise refusal("ticket_unknown")
    if attempt.expires_at <= wall:
        raise refusal("link_expired")
    browser_secret, once = secrets.token_urlsafe(SECRET_BYTES), make_one_time()
    unspent = LinkAttempt.objects.filter(pk=attempt.pk, ticket_used_at__isnull=True)
    if not unspent.update(
        ticket_used_at=wall,
        expires_at=wall + ATTEMPT_LIFETIME,
        state_hash=keyed_hash(once.state),
        browser_hash=keyed_hash(browser_secret),
    ):
        raise refusal("ticket_unknown")
    attempt.refresh_from_db()
    begin = LinkBegin(
        state=once.state, code_verifier=attempt.code_verifier, redirect_uri=redirect_uri_of[attempt.maker]
    )
    try:
        start = gateway.adapter(attempt.maker).begin_link(begin)
    except AutomakerError:
        raise refusal("maker_unreachable") from None
    if not isinstance(start, RedirectTo):
        raise refusal("link_kind_not_offered")
    return OpenedTicket(start.url, browser_secret)


def hand_back(*, maker: str, params: Mapping[str, str], browser_secret: str, now: datetime) -> str:  # noqa: ARG001
    """Keep what came back for the app's session and return the app's link with a proof; "" where no ticket began it.

    Raises UnableToLink where another browser brings it, or it comes late or twice.
    """
    state = params.get("state", "")
    attempt = (
        LinkAttempt.objects.filter(state_hash=keyed_hash(state)).exclude(ticket_hash="").first() if state else None
    )
    if attempt is None:
        return ""
    if attempt.maker != maker or attempt.browser_hash != keyed_hash(browser_secret):
        raise refusal("link_state_foreign")
    if attempt.expires_at <= clock.wall():
        raise refusal("link_expired")
    proof = secrets.token_urlsafe(SECRET_BYTES)
    answer = json.dumps({name: value[:4096] for name, value in list(params.items())[:20]})
    fresh = LinkAttempt.objects.filter(pk=attempt.pk, proof_hash="", used_at__isnull=True)
    if not fresh.update(proof_hash=keyed_hash(proof), answer=answer):
        raise refusal("link_state_used")
    return f"{attempt.return_url}?{urlencode({'attempt': str(attempt.public_id), 'proof': proof})}"


def complete_ticket(
    *,
    attempt: LinkAttempt,
    owner: User,
    session_key: str,
    proof: str,
    redirect_uri: str,
    now: datetime,
) -> VehicleLink:
    """Turn what the browser brought back into a link, for the session that began it, and return the link.

    Raises UnableToLink for another session, a proof that does not fit, or whatever the maker refused.
    """
    check_session(attempt, owner=owner, session_key=session_key)
    if not attempt.proof_hash or attempt.proof_hash != keyed_hash(proof):
        raise refusal("link_state_unknown", field="proof")
    spend(attempt)
    return finish(attempt, params=json.loads(attempt.answer or "{}"), redirect_uri=redirect_uri, now=now)
