"""Which token belongs to which grant. Tokens are allauth's; the grant's URI is the resource they carry."""

from collections.abc import Sequence
from uuid import UUID

from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from sandbox.cars.models import Car
from sandbox.makers.makers import MAKERS
from sandbox.makers.models import Box, Grant, Maker
from sandbox.world import clock, config


def shareable(owner_id: int | None, maker: str) -> QuerySet[Car] | QuerySet[Box]:
    """Return what an account can share at `maker`: its cars, or its wall boxes."""
    if MAKERS[maker].shares_boxes:
        return Box.objects.filter(owner_id=owner_id)
    return Car.objects.filter(owner_id=owner_id, maker=maker)


def accounts_at(maker: str) -> list[str]:
    """Return the names of the accounts that have something to share at `maker`."""
    found = Box.objects.all() if MAKERS[maker].shares_boxes else Car.objects.filter(maker=maker)
    return sorted(set(found.values_list("owner__username", flat=True)))


def make_grant(*, maker: Maker, owner: User, client_id: str, cars: Sequence[Car | Box]) -> Grant:
    """Note that `owner` lets the client reach `cars`, or boxes where the maker has those."""
    with transaction.atomic():
        grant = Grant.objects.create(maker=maker, owner=owner, client_id=client_id, granted_at=clock.now())
        grant.cars.set([item for item in cars if isinstance(item, Car)])
        grant.boxes.set([item for item in cars if isinstance(item, Box)])
        return grant


def grant_behind(value: str, *, types: Sequence[str]) -> Grant | None:
    """Return the grant in force behind a token that is still valid; None where there is none."""
    token = Token.objects.lookup_by_value(types, value)
    resources = token.get_resources() if token is not None else []
    if not resources:
        return None
    public_id = UUID(resources[0].rpartition("/")[2])
    return Grant.objects.select_related("maker").filter(public_id=public_id, revoked_at=None).first()


def revoke_grant(grant: Grant) -> None:
    """End a grant: none of its tokens works any more."""
    with transaction.atomic():
        grant.revoked_at = clock.now()
        grant.save(update_fields=["revoked_at"])
        Token.objects.filter(data__resources__0=grant.uri).delete()


def expire_access_tokens(maker: Maker) -> int:
    """Let every access token of the maker expire at once; returns how many there were."""
    uris = [grant.uri for grant in maker.grants.filter(revoked_at=None)[:1000]]
    is_of_owner = Q(data__resources__0__in=uris)
    is_of_app = Q(user=None, client_id=config.client_of(maker.slug).client_id)
    count, _ = Token.objects.filter(is_of_owner | is_of_app, type=Token.Type.ACCESS_TOKEN).delete()
    return int(count)
