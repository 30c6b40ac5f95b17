"""Linking by a code that the owner types at the maker: shown here, asked about until it was typed (RFC 8628)."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.models import User
from foundation import clock
from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.base import DeviceCode, LinkCallback
from vehicles.automakers.errors import AutomakerError, LinkPending
from vehicles.flows.attempts import (
    UnableToLink,
    check_may_begin,
    keep_attempt,
    make_one_time,
    note_outcome,
    refusal,
)
from vehicles.flows.joining import join
from vehicles.models import LinkAttempt

logger = logging.getLogger(__name__)

MOST_OPEN = 3  # codes of one owner at one maker: each is asked about every few seconds
LONGEST_LIFE = timedelta(hours=1)
LEAST_INTERVAL_SECONDS = 1
MOST_INTERVAL_SECONDS = 300
# While one asker is on the line nobody else asks: a code that was taken twice looks like one that was refused.
ASKING = timedelta(seconds=45)


def begin_device_link(*, owner: User, maker: str, session_key: str, now: datetime) -> LinkAttempt:  # noqa: ARG001
    """Get a code from the maker and return the attempt that shows it and waits for it.

    Raises UnableToLink for a maker that is not on offer, links in another way or does not answer.
    """
    check_may_begin(maker=maker, session_key=session_key)
    adapter, once = gateway.adapter(maker), make_one_time()
    try:
        start = adapter.begin_link(once.begin(""))
    except AutomakerError:
        raise refusal("maker_unreachable") from None
    if not isinstance(start, DeviceCode):
        raise refusal("link_kind_not_offered", field="maker")
    _end_older(owner, maker)
    wall = clock.wall()
    interval = min(max(start.interval_seconds, LEAST_INTERVAL_SECONDS), MOST_INTERVAL_SECONDS)
    return keep_attempt(
        owner=owner,
        maker=maker,
        session_key=session_key,
        once=once,
        kind=adapter.link_kind.value,
        device_code=start.device_code,
        user_code=start.user_code,
        verification_url=start.verification_url,
        interval_seconds=interval,
        poll_at=wall + timedelta(seconds=interval),
        expires_at=wall + min(timedelta(seconds=max(start.expires_in_seconds, 0)), LONGEST_LIFE),
    )


def _end_older(owner: User, maker: str) -> None:
    waiting = LinkAttempt.objects.filter(owner=owner, maker=maker, used_at__isnull=True, poll_at__isnull=False)
    for attempt in waiting.order_by("-pk")[MOST_OPEN - 1 : 50]:
        note_outcome(attempt, failure="link_replaced")


def poll_due_attempts(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Ask the makers about codes that are due, whether or not anybody looks at the page; returns how many ended."""
    due = LinkAttempt.objects.filter(used_at__isnull=True, poll_at__lte=clock.wall(), owner__is_active=True)
    rows = due.select_related("owner").order_by("poll_at")[:limit]
    return work_through(rows, lambda attempt: int(poll_attempt(attempt=attempt, now=now).is_over), workers=workers)


def poll_attempt(*, attempt: LinkAttempt, now: datetime) -> LinkAttempt:
    """Ask the maker whether the code was typed, where that is due, and return the attempt as it is then.

    Asks no more often than the maker allows, whoever calls and however often.
    """
    wall = clock.wall()
    if attempt.is_over:
        return attempt
    if attempt.expires_at <= wall:
        note_outcome(attempt, failure="link_expired")
        return attempt
    is_mine = LinkAttempt.objects.filter(Q(poll_at__lte=wall), pk=attempt.pk, used_at__isnull=True).update(
        poll_at=wall + ASKING
    )
    if is_mine:
        _ask(attempt, now=now)
    attempt.refresh_from_db()
    return attempt


def _ask(attempt: LinkAttempt, *, now: datetime) -> None:
    params = {"device_code": attempt.device_code}
    try:
        link = join(
            owner=attempt.owner,
            maker=attempt.maker,
            callback=LinkCallback(params=params, code_verifier=attempt.code_verifier, redirect_uri=""),
            now=now,
        )
    except LinkPending as pending:
        seconds = max(attempt.interval_seconds, min(pending.interval_seconds, MOST_INTERVAL_SECONDS))
        _ask_again(attempt, seconds=seconds)
    except UnableToLink as why:
        if why.reason_code == "maker_unreachable":  # the code is still good: only its expiry ends the wait
            _ask_again(attempt, seconds=min(2 * attempt.interval_seconds, MOST_INTERVAL_SECONDS))
            return
        note_outcome(attempt, failure=why.reason_code)
        logger.info("link attempt %s ended: %s", attempt.public_id, why.reason_code)
    else:
        note_outcome(attempt, link_id=link.pk)


def _ask_again(attempt: LinkAttempt, *, seconds: int) -> None:
    LinkAttempt.objects.filter(pk=attempt.pk, used_at__isnull=True).update(
        poll_at=clock.wall() + timedelta(seconds=seconds), interval_seconds=seconds
    )
