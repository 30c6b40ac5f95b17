"""Device codes under way: allauth keeps and polls them; here stand the PKCE challenge and the owner's decision.

allauth's device flow asks for no verifier and knows no cars. A code therefore counts as granted for allauth only once
the right verifier came with it: until then it goes on hearing that the owner has not decided.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from allauth.idp.oidc.internal.oauthlib import device_codes
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils.crypto import constant_time_compare

from sandbox.makers.models import Grant
from sandbox.world import clock

REMEMBERED = timedelta(hours=1)  # beyond its life a code is still known to have expired


@dataclass(frozen=True)
class Pairing:
    """One device code: what its client asked for and what the owner said (None: nothing yet)."""

    device_code: str
    client_id: str
    challenge: str
    scopes: tuple[str, ...]
    expires_at: datetime
    is_allowed: bool | None = None
    owner_id: int = 0
    grant_uri: str = ""

    def is_expired(self) -> bool:
        """Return whether its time is over."""
        return self.expires_at <= clock.wall()

    def is_answered_by(self, verifier: str) -> bool:
        """Return whether the verifier is the challenge's (PKCE, S256)."""
        digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return constant_time_compare(digest, self.challenge)


def begin(pairing: Pairing, *, user_code: str) -> None:
    """Remember a new code."""
    _keep(pairing)
    cache.set(_user_key(user_code), pairing.device_code, timeout=REMEMBERED.total_seconds())
    _list([*_listed(), pairing.device_code][-200:])


def find(device_code: str) -> Pairing | None:
    """Return the pairing of a device code."""
    found: Pairing | None = cache.get(_key(device_code))
    return found


def find_open(user_code: str) -> Pairing | None:
    """Return the pairing whose code an owner typed, while it waits for a decision."""
    device_code = cache.get(_user_key(user_code))
    found = find(device_code) if device_code else None
    return found if found is not None and found.is_allowed is None and not found.is_expired() else None


def decide(pairing: Pairing, *, owner: User, grant: Grant | None, scopes: tuple[str, ...] = ()) -> None:
    """Note the owner's decision: a grant, or None for no."""
    uri = grant.uri if grant is not None else ""
    _keep(replace(pairing, is_allowed=grant is not None, owner_id=owner.pk, grant_uri=uri, scopes=scopes))


def hand_over(pairing: Pairing) -> None:
    """Let allauth know the decision, so that its next answer is the tokens or the refusal."""
    if pairing.is_allowed is None:
        return
    key = device_codes.cache_device_code_key(pairing.device_code)
    data = cache.get(key)
    if data is None or data["granted"] is not None:
        return
    data |= {"resources": [pairing.grant_uri], "scope": list(pairing.scopes)}
    device_codes.update_device_state(pairing.device_code, data)
    owner = User.objects.get(pk=pairing.owner_id)
    device_codes.confirm_or_deny_device_code(owner, pairing.device_code, confirm=pairing.is_allowed)


def expire_all() -> None:
    """Let every code under way run out at once."""
    for device_code in _listed():
        if (pairing := find(device_code)) is not None:
            _keep(replace(pairing, expires_at=clock.wall()))
    _list([])


def _keep(pairing: Pairing) -> None:
    life = pairing.expires_at - clock.wall() + REMEMBERED
    cache.set(_key(pairing.device_code), pairing, timeout=life.total_seconds())


def _key(device_code: str) -> str:
    return f"bmw.device_code[{hashlib.sha256(device_code.encode()).hexdigest()}]"


def _user_key(user_code: str) -> str:
    plain = "".join(letter for letter in user_code.lower() if letter.isalnum())  # people type "svht fpjn", too
    return f"bmw.user_code[{hashlib.sha256(plain.encode()).hexdigest()}]"


def _listed() -> list[str]:
    return list(cache.get("bmw.device_codes") or [])


def _list(device_codes_under_way: list[str]) -> None:
    cache.set("bmw.device_codes", device_codes_under_way, timeout=None)
