"""Which token belongs to which grant. Tokens are allauth's; the grant's URI is the resource they carry."""

from collections.abc import Sequence
from uuid import UUID

from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.db import transaction

from sandbox.cars.models import Car
from sandbox.makers.models import Grant, Maker
from sandbox.world import clock


def make_grant(*, maker: Maker, owner: User, client_id: str, cars: Sequence[Car]) -> Grant:
    """Note that `owner` lets the client reach `cars`."""
    with transaction.atomic():
        grant = Grant.objects.create(maker=maker, owner=owner, client_id=client_id, granted_at=clock.now())
        grant.cars.set(cars)
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
    count, _ = Token.objects.filter(type=Token.Type.ACCESS_TOKEN, data__resources__0__in=uris).delete()
    return int(count)
