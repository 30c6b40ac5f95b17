"""Every automaker whose cloud stands here: one line each, and a package in `dialects/` with its addresses."""

from dataclasses import dataclass

from allauth.idp.oidc.models import Client

CODE = (Client.GrantType.AUTHORIZATION_CODE, Client.GrantType.REFRESH_TOKEN)


@dataclass(frozen=True)
class MakerSpec:
    """What a maker is called, which scopes it knows, and by which grants it lets a client in."""

    name: str
    scopes: tuple[str, ...] = ("access",)
    grant_types: tuple[str, ...] = CODE


MAKERS: dict[str, MakerSpec] = {
    "ford": MakerSpec("Ford"),
}
