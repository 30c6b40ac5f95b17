"""The makers there are, and the platform's registration as an OAuth client."""

from allauth.idp.oidc.models import Client

from sandbox.makers.models import Maker
from sandbox.world import config

SCOPE = "access"


def set_up() -> None:
    """Register the makers and the client as the environment names it."""
    Maker.objects.get_or_create(slug="ford", defaults={"name": "Ford"})
    client = Client.objects.filter(id=config.FORD_CLIENT_ID).first() or Client(id=config.FORD_CLIENT_ID)
    client.name = "ChargeScape"
    client.type = Client.Type.CONFIDENTIAL
    client.set_secret(config.FORD_CLIENT_SECRET)
    client.set_scopes([SCOPE])
    client.set_default_scopes([SCOPE])
    client.set_redirect_uris(config.FORD_REDIRECT_URIS)
    client.set_grant_types([Client.GrantType.AUTHORIZATION_CODE, Client.GrantType.REFRESH_TOKEN])
    client.set_response_types([Client.ResponseType.CODE])
    client.skip_consent = False
    client.save()
