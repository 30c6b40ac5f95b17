"""Every automaker whose cloud stands here: one line each, and a package in `dialects/` with its addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from allauth.idp.oidc.models import Client

CODE = (Client.GrantType.AUTHORIZATION_CODE, Client.GrantType.REFRESH_TOKEN)


@dataclass(frozen=True)
class MakerSpec:
    """What a maker is called, which scopes it knows, by which grants it lets a client in, and its tokens' ways."""

    name: str
    scopes: tuple[str, ...] = ("access",)
    grant_types: tuple[str, ...] = CODE
    choices: Mapping[str, str] = field(default_factory=dict)  # scopes that the owner may untick, with what they mean
    access_seconds: int = 20 * 60  # lifetimes in real seconds
    refresh_seconds: int = 90 * 24 * 3600
    has_jwt_tokens: bool = False  # access tokens are JWTs that name the granted scopes (`scp`)
    dead_refresh: tuple[int, str] = (400, "invalid_grant")  # how a refresh token that is used up is refused
    calls_per_dollar: Mapping[str, int] = field(default_factory=dict)  # by kind of call, where the maker bills them


MAKERS: dict[str, MakerSpec] = {
    "ford": MakerSpec("Ford"),
}
