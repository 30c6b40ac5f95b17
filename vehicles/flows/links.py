"""Linking an owner's account at an automaker: begin, complete, choose cars, unlink, keep alive.

A link starts in one browser session and may end only there, once, by the same owner (RFC 9700).
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from foundation import clock
from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from vehicles import gateway, wording
from vehicles.automakers.base import Account, Automaker, Grant, LinkBegin, LinkCallback, RedirectTo, VehicleRef
from vehicles.automakers.errors import AuthRevoked, AutomakerError, NotSupported
from vehicles.flows import cars
from vehicles.models import Command, LinkAttempt, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

ATTEMPT_LIFETIME = timedelta(minutes=10)
STATE_BYTES = 12  # 16 characters: Ford takes no longer state
# A grant that is not used still lapses; it is renewed when a fifth of its life is left, or after two idle weeks.
IDLE_REFRESH = timedelta(days=14)
LEAST_LIFE_LEFT = timedelta(days=18)
LONGEST_LEAVING = timedelta(hours=1)


class UnableToLink(Refusal):
    """The account or car was not linked; nothing that existed was changed."""


def begin_link(*, owner: User, maker: str, session_key: str, redirect_uri: str, now: datetime) -> str:  # noqa: ARG001
    """Start linking and return the maker's page to send the browser to.

    The attempt lives ten minutes and is bound to this owner and browser session. Raises UnableToLink for a maker
    that is not on offer, or a browser without a session.
    """
    if maker not in gateway.offered_makers():
        raise UnableToLink("Cars of this maker cannot be linked here yet.", code="maker_not_offered", field="maker")
    if not session_key:
        raise UnableToLink("Your browser keeps no session. Please sign in again.", code="session_missing")
    state, code_verifier = secrets.token_urlsafe(STATE_BYTES), secrets.token_urlsafe(48)
    start = gateway.adapter(maker).begin_link(
        LinkBegin(state=state, code_verifier=code_verifier, redirect_uri=redirect_uri)
    )
    if not isinstance(start, RedirectTo):
        raise UnableToLink("This maker links in another way.", code="link_kind_not_offered", field="maker")
    wall = clock.wall()
    LinkAttempt.objects.filter(expires_at__lt=wall - timedelta(days=1)).delete()
    LinkAttempt.objects.create(
        owner=owner,
        maker=maker,
        state_hash=keyed_hash(state),
        session_hash=keyed_hash(session_key),
        code_verifier=code_verifier,
        expires_at=wall + ATTEMPT_LIFETIME,
    )
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
    that is unknown, used, expired or somebody else's, a denied consent, a code that is not taken, a maker that does
    not answer, or an account without a shared electric car.
    """
    attempt = _claim_attempt(owner=owner, maker=maker, session_key=session_key, state=params.get("state", ""))
    if params.get("error"):
        raise UnableToLink("You did not allow access on the maker's page. Nothing was linked.", code="link_denied")
    if not params.get("code"):
        raise UnableToLink("The maker sent no permission back. Please start again.", code="link_code_missing")
    adapter = gateway.adapter(maker)
    try:
        grant = adapter.complete_link(
            LinkCallback(params=dict(params), code_verifier=attempt.code_verifier, redirect_uri=redirect_uri)
        )
        account = Account(grant.access_token, grant.extras, grant.scopes)
        refs = [ref for ref in adapter.list_vehicles(account) if ref.is_shared and ref.is_electric]
        found = [cars.FoundCar(ref, adapter.capabilities(account, ref.external_id)) for ref in refs]
    except AuthRevoked:
        raise UnableToLink(
            "The maker did not accept the permission. Please start again.", code="link_code_refused"
        ) from None
    except AutomakerError as error:
        raise UnableToLink(
            f"{wording.message(error.message_key)} Nothing was linked; please try again later.",
            code="maker_unreachable",
        ) from None
    if not found:
        _return_unused(adapter, grant)
        raise UnableToLink(
            "No electric car was shared. Start again and tick your car on the maker's page.", code="no_cars"
        )
    link = _store_link(owner=owner, maker=maker, grant=grant, refs=refs, now=now)
    cars.offer_cars(link=link, found=found, now=now)
    logger.info("link %s completed with %d cars", link.public_id, len(found))
    return link


def _return_unused(adapter: Automaker, grant: Grant) -> None:
    try:
        adapter.revoke(access_token=grant.access_token, refresh_token=grant.refresh_token)
    except AutomakerError as error:
        logger.info("unused grant could not be given back: %s", error)


def _claim_attempt(*, owner: User, maker: str, session_key: str, state: str) -> LinkAttempt:
    attempt = LinkAttempt.objects.filter(state_hash=keyed_hash(state)).first() if state else None
    if attempt is None:
        raise UnableToLink("This link was not started here. Please start again.", code="link_state_unknown")
    is_ours = attempt.owner_id == owner.pk and attempt.maker == maker
    if not is_ours or attempt.session_hash != keyed_hash(session_key):
        # Whoever carries somebody else's state must not spend it for them.
        raise UnableToLink(
            "This link was started in another session. Please start again here.", code="link_state_foreign"
        )
    wall = clock.wall()
    if attempt.used_at is None and attempt.expires_at <= wall:
        raise UnableToLink("This took longer than ten minutes. Please start again.", code="link_expired")
    if not LinkAttempt.objects.filter(pk=attempt.pk, used_at__isnull=True).update(used_at=wall, code_verifier=""):
        raise UnableToLink("This link was already used. Please start again.", code="link_state_used")
    return attempt


def _store_link(*, owner: User, maker: str, grant: Grant, refs: Sequence[VehicleRef], now: datetime) -> VehicleLink:
    """Renew the owner's link to the same maker account, or make a new one; the tokens are committed first."""
    link = _same_account(owner=owner, maker=maker, grant=grant, refs=refs)
    if link is None:
        subject = grant.subject or f"unnamed:{secrets.token_hex(16)}"
        link = VehicleLink(owner=owner, maker=maker, subject_hash=keyed_hash(f"{maker}:{subject}"), linked_at=now)
        link.save()
    link.refresh_expires_at = None
    gateway.store_grant(link, grant)
    link.state, link.state_reason, link.scopes, link.revoked_at = VehicleLink.State.ACTIVE, "", list(grant.scopes), None
    link.linked_at = now
    link.save(update_fields=["state", "state_reason", "scopes", "revoked_at", "linked_at"])
    return link


def _same_account(*, owner: User, maker: str, grant: Grant, refs: Sequence[VehicleRef]) -> VehicleLink | None:
    links = VehicleLink.objects.filter(owner=owner, maker=maker).exclude(state=VehicleLink.State.REVOKED)
    if grant.subject:
        return links.filter(subject_hash=keyed_hash(f"{maker}:{grant.subject}")).first()
    # A maker that names no account is recognised by a car of it.
    hashes = [keyed_hash(f"{maker}:{ref.external_id}") for ref in refs]
    return links.filter(vehicles__external_id_hash__in=hashes).first()


def choose_vehicles(*, link: VehicleLink, vehicle_ids: Sequence[UUID], now: datetime) -> list[Vehicle]:
    """Let the chosen cars of the link take part and return them; the others stay offered.

    Choosing a car again changes nothing. A car gets default wishes and departures on working days at 07:30. Either
    all are taken or none. Raises UnableToLink for no car, a car that is not of this link, a car whose maker does not
    tell its VIN, or a car that is linked by somebody else or through another account.
    """
    if link.state != VehicleLink.State.ACTIVE:
        raise UnableToLink("This account is no longer linked. Please link it again.", code="link_not_active")
    wanted = list(dict.fromkeys(vehicle_ids))
    if not wanted:
        raise UnableToLink("Choose at least one car.", code="no_cars_chosen", field="vehicles")
    rows = {row.public_id: row for row in Vehicle.objects.filter(link=link, public_id__in=wanted)}
    if len(rows) != len(wanted):
        raise UnableToLink("This car is not in the linked account.", code="vehicle_unknown", field="vehicles")
    try:
        with transaction.atomic():
            return [_take(rows[public_id], now=now) for public_id in wanted]
    except IntegrityError:  # somebody chose the same car in the same moment
        raise UnableToLink(
            "This car has just been linked elsewhere.", code="vin_controlled_elsewhere", field="vehicles"
        ) from None


def _take(vehicle: Vehicle, *, now: datetime) -> Vehicle:
    if vehicle.state == Vehicle.State.ACTIVE:
        return vehicle
    if not vehicle.vin_hash:
        raise UnableToLink(
            f"The maker does not tell us which car {vehicle} is, so it cannot take part yet. Please try again later.",
            code="vin_unknown",
            field="vehicles",
        )
    other = cars.controlling_elsewhere(vehicle)
    if other is not None and other.owner_id == vehicle.owner_id:
        raise UnableToLink(
            f"{vehicle} is already linked through another account of yours.",
            code="vehicle_already_linked",
            field="vehicles",
        )
    if other is not None:
        raise UnableToLink(
            f"{vehicle} already takes part for somebody else. They must unlink it first.",
            code="vin_controlled_elsewhere",
            field="vehicles",
        )
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
        VehicleLink.objects.filter(pk=link.pk).exclude(state=VehicleLink.State.NEEDS_RELINK).update(
            state=VehicleLink.State.LEAVING
        )
        VehicleLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=now)
    link.refresh_from_db()
    if link.state == VehicleLink.State.NEEDS_RELINK or not _has_open_release(link):
        _give_back(link)
    return link


def _has_open_release(link: VehicleLink) -> bool:
    return Command.objects.open_resumes().filter(vehicle__link=link).exists()


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


def refresh_idle_links(*, now: datetime, limit: int) -> int:
    """Renew grants that would lapse unused, finish links that are leaving, and return how many rows were worked on."""
    wall = clock.wall()
    worked = 0
    for link in _leaving(now)[:limit]:
        _give_back(link)
        worked += 1
    due = VehicleLink.objects.filter(state=VehicleLink.State.ACTIVE).filter(
        Q(refreshed_at__lt=wall - IDLE_REFRESH) | Q(refresh_expires_at__lt=wall + LEAST_LIFE_LEFT)
    )
    rested = Q(refreshed_at__isnull=True) | Q(refreshed_at__lt=wall - timedelta(hours=12))
    awake = Q(quiet_until__isnull=True) | Q(quiet_until__lt=wall)
    for link in due.filter(rested & awake).order_by("refreshed_at")[: max(0, limit - worked)]:
        try:
            gateway.refresh_grant(link)
        except (AutomakerError, NotSupported) as error:
            logger.warning("link %s could not be renewed: %s", link.public_id, error)
        worked += 1
    return worked


def _leaving(now: datetime) -> list[VehicleLink]:
    """Links whose cars are all released, or that waited for it long enough."""
    leaving = VehicleLink.objects.filter(state=VehicleLink.State.LEAVING).order_by("revoked_at")[:500]
    return [
        link
        for link in leaving
        if not _has_open_release(link) or (link.revoked_at is not None and link.revoked_at < now - LONGEST_LEAVING)
    ]
