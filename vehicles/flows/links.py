"""Linking an owner's account at an automaker: begin, complete, choose cars, unlink, keep alive.

Device codes and apps' tickets have modules of their own (`device_codes`, `tickets`).
"""

import logging
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext

from accounts.models import User
from foundation import clock
from foundation.fields import keyed_hash
from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.base import LinkCallback, LinkKind, RedirectTo
from vehicles.automakers.errors import AutomakerError, LinkPending, NotSupported
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows import cars, chargers
from vehicles.flows.attempts import (
    UnableToLink,
    check_may_begin,
    check_session,
    keep_attempt,
    make_one_time,
    note_outcome,
    refusal,
    spend,
)
from vehicles.flows.joining import join
from vehicles.models import Command, HomeCharger, LinkAttempt, Vehicle, VehicleLink

__all__ = [
    "UnableToLink",
    "begin_link",
    "choose_vehicles",
    "complete_link",
    "finish",
    "refresh_idle_links",
    "revoke_link",
]
logger = logging.getLogger(__name__)

LONGEST_IDLE = timedelta(days=14)
LONGEST_LEAVING = timedelta(hours=1)


def begin_link(*, owner: User, maker: str, session_key: str, redirect_uri: str, now: datetime) -> str:  # noqa: ARG001
    """Start linking in a browser and return the maker's page to send it to.

    The attempt lives ten minutes and is bound to this owner and browser session. Raises UnableToLink for a maker
    that is not on offer or hands out device codes, or a browser without a session.
    """
    check_may_begin(maker=maker, session_key=session_key)
    adapter, once = gateway.adapter(maker), make_one_time()
    if adapter.link_kind == LinkKind.DEVICE_CODE:
        raise refusal("link_kind_not_offered", field="maker")
    try:
        start = adapter.begin_link(once.begin(redirect_uri))
    except AutomakerError:
        raise refusal("maker_unreachable") from None
    if not isinstance(start, RedirectTo):
        raise refusal("link_kind_not_offered", field="maker")
    keep_attempt(owner=owner, maker=maker, session_key=session_key, once=once, kind=adapter.link_kind.value)
    return start.url


def complete_link(
    *,
    owner: User,
    maker: str,
    session_key: str,
    params: Mapping[str, str],
    redirect_uri: str,
    now: datetime,
) -> VehicleLink:
    """Turn what came back from the maker into a link whose cars are offered for choosing, and return it.

    Linking an account again renews its link: cars that take part go on as before. Raises UnableToLink for a state
    that is unknown, used, expired or somebody else's, a denied consent, a permission that is not taken, a maker that
    does not answer, or an account without a shared electric car.
    """
    state = params.get("state", "")
    attempt = LinkAttempt.objects.filter(state_hash=keyed_hash(state)).first() if state else None
    if attempt is None:
        raise refusal("link_state_unknown")
    if attempt.maker != maker or attempt.ticket_hash:
        raise refusal("link_state_foreign")
    check_session(attempt, owner=owner, session_key=session_key)  # a stranger must not spend it for them
    spend(attempt)
    return finish(attempt, params=params, redirect_uri=redirect_uri, now=now)


def finish(attempt: LinkAttempt, *, params: Mapping[str, str], redirect_uri: str, now: datetime) -> VehicleLink:
    """Trade what a spent attempt brought back, keep what came of it, and return the link; raises UnableToLink."""
    try:
        _check_answer(attempt, params)
        callback = LinkCallback(params=dict(params), code_verifier=attempt.code_verifier, redirect_uri=redirect_uri)
        link = join(owner=attempt.owner, maker=attempt.maker, callback=callback, now=now)
    except LinkPending:
        note_outcome(attempt, failure="link_code_refused")
        raise refusal("link_code_refused") from None
    except UnableToLink as why:
        note_outcome(attempt, failure=why.reason_code)
        raise
    note_outcome(attempt, link_id=link.pk)
    return link


def _check_answer(attempt: LinkAttempt, params: Mapping[str, str]) -> None:
    if params.get("error"):
        raise refusal("link_denied")
    wanted = ("code", "user_id") if attempt.kind == LinkKind.HOSTED_PAGE else ("code",)
    if not any(params.get(name) for name in wanted):
        raise refusal("link_code_missing")


def choose_vehicles(*, link: VehicleLink, vehicle_ids: Sequence[UUID], now: datetime) -> list[Vehicle]:
    """Let the chosen cars of the link take part and return them; the others stay offered.

    Choosing a car again changes nothing. A car gets default wishes and departures on working days at 07:30. A car
    that somebody else's link steers is read alone. Either all are taken or none. Raises UnableToLink for no car, a
    car that is not of this link, one whose maker does not tell its VIN, or one linked through another account.
    """
    if link.state != VehicleLink.State.ACTIVE:
        raise UnableToLink(gettext("This account is no longer linked. Please link it again."), code="link_not_active")
    wanted = list(dict.fromkeys(vehicle_ids))
    if not wanted:
        raise UnableToLink(gettext("Choose at least one car."), code="no_cars_chosen", field="vehicles")
    rows = {row.public_id: row for row in Vehicle.objects.filter(link=link, public_id__in=wanted)}
    if len(rows) != len(wanted):
        raise UnableToLink(gettext("This car is not in the linked account."), code="vehicle_unknown", field="vehicles")
    try:
        with transaction.atomic():
            return [_take(rows[public_id], now=now) for public_id in wanted]
    except IntegrityError:  # somebody chose the same car in the same moment
        raise UnableToLink(
            gettext("This car has just been linked elsewhere."), code="vin_controlled_elsewhere", field="vehicles"
        ) from None


def _take(vehicle: Vehicle, *, now: datetime) -> Vehicle:
    if vehicle.state == Vehicle.State.ACTIVE:
        return vehicle
    if not vehicle.vin_hash:
        raise UnableToLink(
            gettext(
                "The maker does not tell us which car {vehicle} is, so it cannot take part yet. Please try again later."
            ).format(vehicle=vehicle),
            code="vin_unknown",
            field="vehicles",
        )
    other = cars.controlling_elsewhere(vehicle)
    if other is not None and other.owner_id == vehicle.owner_id:
        raise UnableToLink(
            gettext("{vehicle} is already linked through another account of yours.").format(vehicle=vehicle),
            code="vehicle_already_linked",
            field="vehicles",
        )
    if other is not None:
        cars.watch(vehicle, now=now)  # a second driver sees the car, whoever linked it first steers it
    else:
        cars.take_part(vehicle, now=now)
    return vehicle


def revoke_link(*, link: VehicleLink, now: datetime) -> VehicleLink:
    """Unlink the account: its cars are released, the grant is given back, their history stays. Returns the link.

    A car that is being held or discharged is released first; until a reading shows it, the link is only leaving and
    used for nothing else. Unlinking twice changes nothing.
    """
    if link.state == VehicleLink.State.REVOKED:
        return link
    with transaction.atomic():
        for vehicle in Vehicle.objects.filter(link=link).exclude(state=Vehicle.State.UNLINKED):
            cars.let_go(vehicle, now=now)
        for charger in HomeCharger.objects.filter(link=link).exclude(state=HomeCharger.State.UNLINKED):
            chargers.retire_charger(charger=charger, now=now)
        VehicleLink.objects.filter(pk=link.pk, state=VehicleLink.State.ACTIVE).update(
            state=VehicleLink.State.LEAVING, state_since_at=now
        )
        VehicleLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=now)
    link.refresh_from_db()
    if link.state == VehicleLink.State.NEEDS_RELINK or not _has_open_release(link):
        _give_back(link)
    return link


def _has_open_release(link: VehicleLink) -> bool:
    return Command.objects.farewells(link.pk).exists()


def _give_back(link: VehicleLink) -> None:
    """Revoke at the maker as far as it answers, and forget the tokens either way."""
    try:
        gateway.adapter(link.maker).revoke(access_token=link.access_token, refresh_token=link.refresh_token)
    except AutomakerError as error:
        logger.warning("link %s could not be given back at the maker: %s", link.public_id, error)
    link.state, link.access_token, link.refresh_token = VehicleLink.State.REVOKED, "", ""
    link.access_expires_at = link.refresh_expires_at = link.quiet_until = None
    link.save(
        update_fields=[
            "state",
            "access_token",
            "refresh_token",
            "access_expires_at",
            "refresh_expires_at",
            "quiet_until",
        ]
    )
    logger.info("link %s given back", link.public_id)


def refresh_idle_links(*, now: datetime, limit: int, workers: int = 1) -> int:
    """Renew grants that would lapse unused, finish links that are leaving, and return how many rows were worked on.

    `workers` grants are renewed side by side.
    """
    wall = clock.wall()
    worked = 0
    for link in _leaving(now)[:limit]:
        _give_back(link)
        worked += 1
    due = VehicleLink.objects.filter(_lapses_soon(wall), state=VehicleLink.State.ACTIVE)
    rested = Q(refreshed_at__isnull=True) | Q(refreshed_at__lt=wall - timedelta(hours=12))
    awake = Q(quiet_until__isnull=True) | Q(quiet_until__lt=wall)
    rows = list(due.filter(rested & awake).order_by("refreshed_at")[: max(0, limit - worked)])
    # Two workers who find the same grants must not go through them in step, each waiting for the other.
    random.shuffle(rows)
    return worked + work_through(rows, _renew, workers=workers)


def _lapses_soon(wall: datetime) -> Q:
    """Return what finds grants that were not used for half of their maker's patience, or have a fifth of it left."""
    due = Q(pk__in=[])
    for slug, maker in AUTOMAKERS.items():
        if maker.idle_days:
            life = timedelta(days=maker.idle_days)
            is_idle = Q(refreshed_at__lt=wall - min(LONGEST_IDLE, life / 2))
            due |= Q(maker=slug) & (is_idle | Q(refresh_expires_at__lt=wall + life / 5))
    return due


def _renew(link: VehicleLink) -> bool:
    if not VehicleLink.objects.filter(pk=link.pk, refreshed_at=link.refreshed_at).exists():
        return False  # another worker has just done it
    try:
        gateway.refresh_grant(link)
    except (AutomakerError, NotSupported) as error:
        logger.warning("link %s could not be renewed: %s", link.public_id, error)
    return True


def _leaving(now: datetime) -> list[VehicleLink]:
    """Links whose cars are all released, or that waited for it long enough."""
    leaving = VehicleLink.objects.filter(state=VehicleLink.State.LEAVING).order_by("revoked_at")[:500]
    return [
        link
        for link in leaving
        if not _has_open_release(link) or (link.revoked_at is not None and link.revoked_at < now - LONGEST_LEAVING)
    ]
