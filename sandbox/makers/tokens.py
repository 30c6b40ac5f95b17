"""A maker's own ways with the tokens that allauth hands out: lifetimes, JWTs, its word for a dead refresh token."""

import json
import uuid
from datetime import timedelta
from typing import Any

import jwt
from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse

from sandbox.makers.makers import MakerSpec
from sandbox.makers.models import Grant
from sandbox.world import clock, config


def dress(answer: HttpResponse, spec: MakerSpec, *, grant_type: str) -> HttpResponse:
    """Return allauth's token answer as the maker gives it, its token rows changed alike; call it in a transaction."""
    body = json.loads(answer.content or b"{}")
    if answer.status_code != 200 or "access_token" not in body:
        is_dead = body.get("error") == "invalid_grant" and grant_type == "refresh_token"
        status, word = spec.dead_refresh
        return JsonResponse(body | {"error": word}, status=status) if is_dead else answer
    row = Token.objects.lookup(Token.Type.ACCESS_TOKEN, body["access_token"])
    assert row is not None
    if spec.has_jwt_tokens:
        body["access_token"] = _write_jwt(row, seconds=spec.access_seconds)
        row.set_value(body["access_token"])
    row.expires_at = clock.wall() + timedelta(seconds=spec.access_seconds)
    row.save()
    if spec.account_field and row.user is not None:
        body[spec.account_field] = account_id(row.user)
    body["expires_in"] = spec.access_seconds
    if refresh := Token.objects.lookup(Token.Type.REFRESH_TOKEN, body.get("refresh_token", "")):
        refresh.expires_at = clock.wall() + timedelta(seconds=spec.refresh_seconds)
        refresh.save()
        body["refresh_expires_in"] = spec.refresh_seconds
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


def scopes_of(value: str) -> set[str]:
    """Return the scopes that the owner granted with the access token."""
    row = Token.objects.lookup(Token.Type.ACCESS_TOKEN, value)
    return set() if row is None else set(row.get_scopes())


def scopes_of_grant(grant: Grant) -> set[str]:
    """Return the scopes that the owner granted, from the newest token that carries the grant."""
    row = Token.objects.filter(data__resources__0=grant.uri).order_by("-pk").first()
    return set() if row is None else set(row.get_scopes())


def account_id(owner: User) -> str:
    """Return what makers call an account that they name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{config.PUBLIC_URL}/accounts/{owner.pk}"))


def _write_jwt(row: Token, *, seconds: int) -> str:
    wall = clock.wall()
    claims: dict[str, Any] = {
        "iss": config.PUBLIC_URL,
        "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{config.PUBLIC_URL}/{row.user_id}")),
        "azp": row.client_id,
        "aud": row.get_resources(),
        "scp": row.get_scopes(),
        "iat": wall,
        "exp": wall + timedelta(seconds=seconds),
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, get_adapter().get_signing_key().pem, algorithm="RS256", headers={"typ": "JWT"})
