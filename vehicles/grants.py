"""A link's tokens and how it fares: one refresh at a time, new tokens stored before use, quiet times after failures.

No call to a maker happens inside a database transaction. Tokens and waits live in wall time.
"""

import logging
import random
import time
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts.flows.notices import notify_all
from foundation import clock, leases
from vehicles import meter
from vehicles.adapters import adapter
from vehicles.automakers.base import Grant
from vehicles.automakers.errors import AuthRevoked, AutomakerError, RateLimited, UpstreamDown
from vehicles.meter import Caller, Use
from vehicles.models import MakerSwitch, VehicleLink

logger = logging.getLogger(__name__)

TOKEN_LEEWAY = timedelta(seconds=60)
REFRESH_LEASE_SECONDS = 60
# A grant counts as dead once the maker refused it twice this far apart: one refusal may be the maker's own trouble.
SECOND_LOOK_SECONDS = 20
# Many grants refused together are an outage at the maker, not owners who all left at once.
OUTAGE_WINDOW = timedelta(minutes=30)
OUTAGE_LEAST_LINKS = 5
OUTAGE_LEAST_SHARE = 0.5
OUTAGE_QUIET = timedelta(minutes=5)
BACKOFF_FIRST_SECONDS = 30
BACKOFF_MOST_SECONDS = 1800


def switch_of(link: VehicleLink) -> MakerSwitch | None:
    """Return the switch of the link's maker, if it has one."""
    return MakerSwitch.objects.filter(maker=link.maker).first()


def check_may_call(link: VehicleLink, switch: MakerSwitch | None, *, is_urgent: bool) -> None:
    """Raise AuthRevoked, UpstreamDown or RateLimited where the link or its maker may not be called now."""
    if link.state == VehicleLink.State.REVOKED:
        raise AuthRevoked("the link was given back")
    if link.state == VehicleLink.State.NEEDS_RELINK:
        raise AuthRevoked(link.state_reason)
    if is_urgent:
        return
    wall = clock.wall()
    if switch is not None and not switch.is_on:
        raise UpstreamDown("maker_off")
    for quiet_until in (link.quiet_until, switch.quiet_until if switch else None):
        if quiet_until is not None and quiet_until > wall:
            raise RateLimited("quiet time", retry_at=quiet_until)


def access_token(link: VehicleLink, *, rejected: str = "", is_urgent: bool = False) -> str:
    """Return an access token that should work, refreshing the grant where needed; never inside a transaction.

    `rejected` is a token that the maker just refused. Of many callers one refreshes; the others wait for its token.
    Raises AuthRevoked, RateLimited or UpstreamDown.
    """
    assert_no_transaction()
    deadline = time.monotonic() + REFRESH_LEASE_SECONDS
    while time.monotonic() < deadline:
        link.refresh_from_db()
        check_may_call(link, switch_of(link), is_urgent=is_urgent)
        if is_fresh(link, rejected=rejected):
            return link.access_token
        with leases.held(f"refresh:{link.pk}", seconds=REFRESH_LEASE_SECONDS) as is_mine:
            if is_mine:
                return _refresh_under_lease(link, rejected=rejected)
        time.sleep(0.05 + random.random() * 0.05)  # noqa: S311 - spreads waiting, protects nothing
    raise UpstreamDown("somebody else's refresh never ended")


def refresh_grant(link: VehicleLink) -> None:
    """Refresh the grant now, whether or not its access token still works; raises AutomakerError."""
    access_token(link, rejected=link.access_token)


def is_fresh(link: VehicleLink, *, rejected: str = "") -> bool:
    """Say whether the link's access token should work still; `rejected` is one that the maker refused."""
    if not link.access_token or link.access_token == rejected:
        return False
    return link.access_expires_at is not None and link.access_expires_at > clock.wall() + TOKEN_LEEWAY


def _refresh_under_lease(link: VehicleLink, *, rejected: str) -> str:
    link.refresh_from_db()  # whoever held the lease before may have brought a new token
    if is_fresh(link, rejected=rejected):
        return link.access_token
    if not link.refresh_token:
        _note_refused_grant(link, "no refresh token")
        raise AuthRevoked("no refresh token")
    lines = meter.spend(Caller(link), Use.REFRESH, now=clock.now())
    try:
        grant = adapter(link.maker).refresh(link.refresh_token)
    except AuthRevoked as error:
        meter.count_failure(lines)
        _note_refused_grant(link, error.reason)
        raise
    except AutomakerError as error:
        meter.count_failure(lines)
        note_failure(link, error)
        raise
    store_grant(link, grant)
    logger.info("refreshed link %s", link.public_id)
    return link.access_token


def store_grant(link: VehicleLink, grant: Grant) -> None:
    """Commit the grant's tokens before anybody uses them: a rotated refresh token that is lost kills the link."""
    wall = clock.wall()
    link.access_token = grant.access_token
    link.refresh_token = grant.refresh_token or link.refresh_token
    link.access_expires_at = wall + timedelta(seconds=grant.access_expires_in_seconds)
    if grant.refresh_expires_in_seconds is not None:
        link.refresh_expires_at = wall + timedelta(seconds=grant.refresh_expires_in_seconds)
    link.extras = link.extras | dict(grant.extras)
    if grant.scopes and set(grant.scopes) != set(link.scopes):  # owners may untick a scope at the maker at any time
        link.scopes, link.listed_at = list(grant.scopes), None  # what the cars can do is asked again
    link.refreshed_at = wall
    link.failures, link.auth_failed_at, link.quiet_until = 0, None, None
    with transaction.atomic(durable=True):
        link.save(
            update_fields=[
                "access_token",
                "refresh_token",
                "secrets",
                "scopes",
                "listed_at",
                "access_expires_at",
                "refresh_expires_at",
                "refreshed_at",
                "failures",
                "auth_failed_at",
                "quiet_until",
            ]
        )


def note_success(link: VehicleLink) -> None:
    """Record that the link works; writes only where it did not.

    A release that passed a quiet time does not end it: the maker asked for it, and everything else goes on waiting.
    """
    if link.quiet_until is not None and link.quiet_until > clock.wall():
        return
    if link.failures or link.quiet_until:
        VehicleLink.objects.filter(pk=link.pk).update(failures=0, quiet_until=None)


def note_failure(link: VehicleLink, error: AutomakerError) -> None:
    """Make the link or the whole maker quiet for as long as the error asks, or longer with each failure in a row."""
    wall = clock.wall()
    if isinstance(error, RateLimited) and error.scope == "vehicle":
        return  # the account's other cars may go on; whoever asked comes back to this one at `retry_at`
    if isinstance(error, RateLimited):
        until = error.retry_at or wall + timedelta(seconds=BACKOFF_FIRST_SECONDS)
        if error.scope == "app":
            MakerSwitch.objects.update_or_create(maker=link.maker, defaults={"quiet_until": until})
        VehicleLink.objects.filter(pk=link.pk).update(quiet_until=until, failures=F("failures") + 1)
    elif isinstance(error, UpstreamDown):
        seconds = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(link.failures, 10))
        seconds *= random.uniform(0.9, 1.2)  # noqa: S311 - keeps cars of one outage from coming back together
        until = max(error.retry_at or wall, wall + timedelta(seconds=seconds))
        VehicleLink.objects.filter(pk=link.pk).update(quiet_until=until, failures=F("failures") + 1)


def _note_refused_grant(link: VehicleLink, reason: str) -> None:
    """Decide what a refused grant means: an outage, a reason for a second look, or a link that is dead."""
    wall = clock.wall()
    first_at = link.auth_failed_at
    if first_at is None or first_at < wall - OUTAGE_WINDOW:
        link.auth_failed_at = first_at = wall
    VehicleLink.objects.filter(pk=link.pk).update(
        auth_failed_at=first_at,
        failures=F("failures") + 1,
        quiet_until=wall + timedelta(seconds=SECOND_LOOK_SECONDS),
    )
    if _is_outage(link.maker):
        logger.warning("many grants refused at %s: keeping quiet, links stay", link.maker)
        MakerSwitch.objects.update_or_create(maker=link.maker, defaults={"quiet_until": wall + OUTAGE_QUIET})
    elif first_at <= wall - timedelta(seconds=SECOND_LOOK_SECONDS):
        mark_needs_relink(link, reason=reason)


def _is_outage(maker: str) -> bool:
    since = clock.wall() - OUTAGE_WINDOW
    links = VehicleLink.objects.filter(maker=maker, state=VehicleLink.State.ACTIVE)
    refused = links.filter(auth_failed_at__gte=since).count()
    fine = links.filter(Q(refreshed_at__gte=since) | Q(access_expires_at__gt=clock.wall()), auth_failed_at=None).count()
    return refused >= OUTAGE_LEAST_LINKS and refused > OUTAGE_LEAST_SHARE * (refused + fine)


def mark_needs_relink(link: VehicleLink, *, reason: str) -> None:
    """Stop using the link and tell its owner, once for each time it was linked."""
    marked = VehicleLink.objects.filter(
        pk=link.pk, state__in=(VehicleLink.State.ACTIVE, VehicleLink.State.LEAVING)
    ).update(state=VehicleLink.State.NEEDS_RELINK, state_reason=reason[:40], state_since_at=clock.now())
    if not marked:
        return
    logger.info("link %s needs to be linked again", link.public_id)
    notify_all(
        user_ids=[link.owner_id],
        kind="link_needs_relink",
        key=f"relink:{link.public_id}:{link.linked_at:%Y%m%dT%H%M%S}",
        params={"maker": adapter(link.maker).name, "maker_slug": link.maker},
        now=clock.now(),
    )


def assert_no_transaction() -> None:
    """Raise RuntimeError inside a transaction."""
    # A call to a maker would hold the transaction's locks for seconds. (The one that wraps a test does not count.)
    blocks = transaction.get_connection().atomic_blocks
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise RuntimeError("no call to a maker inside a database transaction")
