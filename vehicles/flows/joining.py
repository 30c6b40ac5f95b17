"""From what came back from a maker to a link whose cars are offered."""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext

from accounts.models import User
from foundation.fields import keyed_hash
from vehicles import gateway, wording
from vehicles.automakers.base import Account, Automaker, Grant, LinkCallback, LinkKind, VehicleRef
from vehicles.automakers.errors import AuthRevoked, AutomakerError, LinkPending
from vehicles.flows import cars, chargers
from vehicles.flows.attempts import UnableToLink, refusal
from vehicles.models import Vehicle, VehicleLink

logger = logging.getLogger(__name__)


def join(*, owner: User, maker: str, callback: LinkCallback, now: datetime) -> VehicleLink:
    """Trade what came back for a grant, keep it, offer its cars, and return the link.

    Linking an account again renews its link: cars that take part go on as before. Where the maker names the account
    but cannot list its cars just now, the link is kept and they are looked for later. Raises LinkPending while the
    owner has yet to type a device code, UnableToLink for everything else that links nothing.
    """
    adapter = gateway.adapter(maker)
    try:
        grant = adapter.complete_link(callback)
    except LinkPending:
        raise
    except AuthRevoked as error:
        raise refusal(_code_of(error.reason)) from None
    except AutomakerError as error:
        raise _unreachable(error) from None
    if adapter.link_kind == LinkKind.HOSTED_PAGE and _is_linked_elsewhere(owner, maker, grant):
        # The account's name came through the browser, so it alone must not open what another owner has linked.
        raise refusal("account_elsewhere")
    try:
        found = list_cars(adapter, Account(grant.access_token, grant.extras, grant.scopes))
    except AutomakerError as error:
        if not grant.subject:
            return_unused(adapter, grant)
            raise _unreachable(error) from None
        link = _store_link(owner=owner, maker=maker, grant=grant, refs=[], now=now)
        logger.info("link %s kept, its cars are not listed yet: %s", link.public_id, error)
        return link
    if not found:
        return_unused(adapter, grant)
        raise refusal("no_cars")
    link = _store_link(owner=owner, maker=maker, grant=grant, refs=[car.ref for car in found], now=now)
    offer_found(link=link, found=found, now=now)
    VehicleLink.objects.filter(pk=link.pk).update(listed_at=now)
    logger.info("link %s completed with %d cars", link.public_id, len(found))
    return link


def offer_found(
    *, link: VehicleLink, found: Sequence[cars.FoundCar], now: datetime, is_fresh_link: bool = True
) -> list[Vehicle]:
    """Offer the account's cars and wall boxes, and return the cars."""
    chargers.offer_chargers(link=link, found=found, now=now)
    return cars.offer_cars(link=link, found=found, now=now, is_fresh_link=is_fresh_link)


def list_cars(adapter: Automaker, account: Account) -> list[cars.FoundCar]:
    """Return the account's shared electric cars and wall boxes, each with what it can do; raises AutomakerError."""
    refs = [ref for ref in adapter.list_vehicles(account) if ref.is_shared and ref.is_electric]
    return [cars.FoundCar(ref, adapter.capabilities(account, ref.external_id)) for ref in refs]


def _code_of(reason: str) -> str:
    if "denied" in reason:
        return "link_denied"
    return "link_expired" if "expired" in reason else "link_code_refused"


def _unreachable(error: AutomakerError) -> UnableToLink:
    return UnableToLink(
        gettext("{trouble} Nothing was linked; please try again later.").format(
            trouble=wording.message(error.message_key)
        ),
        code="maker_unreachable",
    )


def _is_linked_elsewhere(owner: User, maker: str, grant: Grant) -> bool:
    links = VehicleLink.objects.filter(maker=maker, subject_hash=_subject_hash(maker, grant.subject))
    return links.exclude(owner=owner).exclude(state=VehicleLink.State.REVOKED).exists()


def _subject_hash(maker: str, subject: str) -> str:
    return keyed_hash(f"{maker}:{subject}")


def return_unused(adapter: Automaker, grant: Grant) -> None:
    """Give a grant back that nobody will use, as far as the maker answers."""
    try:
        adapter.revoke(access_token=grant.access_token, refresh_token=grant.refresh_token)
    except AutomakerError as error:
        logger.info("unused grant could not be given back: %s", error)


def _store_link(*, owner: User, maker: str, grant: Grant, refs: Sequence[VehicleRef], now: datetime) -> VehicleLink:
    """Renew the owner's link to the same maker account, or make a new one; the tokens are committed first."""
    link = _same_account(owner=owner, maker=maker, grant=grant, refs=refs)
    if link is None:
        subject = grant.subject or f"unnamed:{secrets.token_hex(16)}"
        link = VehicleLink(owner=owner, maker=maker, subject_hash=_subject_hash(maker, subject), linked_at=now)
        link.save()
    link.refresh_expires_at = None
    gateway.store_grant(link, grant)
    link.state, link.state_reason, link.scopes, link.revoked_at = VehicleLink.State.ACTIVE, "", list(grant.scopes), None
    link.linked_at = link.state_since_at = now
    link.listed_at = None
    link.save(
        update_fields=["state", "state_reason", "state_since_at", "scopes", "revoked_at", "linked_at", "listed_at"]
    )
    return link


def _same_account(*, owner: User, maker: str, grant: Grant, refs: Sequence[VehicleRef]) -> VehicleLink | None:
    links = VehicleLink.objects.filter(owner=owner, maker=maker).exclude(state=VehicleLink.State.REVOKED)
    if grant.subject:
        return links.filter(subject_hash=_subject_hash(maker, grant.subject)).first()
    # A maker that names no account is recognised by a car or wall box of it.
    hashes = [keyed_hash(f"{maker}:{ref.external_id}") for ref in refs]
    is_known = Q(vehicles__external_id_hash__in=hashes) | Q(chargers__external_id_hash__in=hashes)
    return links.filter(is_known).first()
