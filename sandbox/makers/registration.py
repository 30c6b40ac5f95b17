"""The platform's registration as an OAuth client of each maker."""

from allauth.idp.oidc.models import Client

from sandbox.makers.makers import MAKERS, MakerSpec
from sandbox.makers.models import Maker
from sandbox.world import config


def set_up() -> None:
    """Register the makers and, at each, the client as the environment names it."""
    for slug, spec in MAKERS.items():
        Maker.objects.get_or_create(slug=slug, defaults={"name": spec.name})
        _register(config.client_of(slug), spec)


def _register(access: config.ClientAccess, spec: MakerSpec) -> None:
    client = Client.objects.filter(id=access.client_id).first() or Client(id=access.client_id)
    client.name = "ChargeScape"
    client.type = Client.Type.PUBLIC if spec.is_public else Client.Type.CONFIDENTIAL
    client.set_secret(access.client_secret)
    client.set_scopes(list(spec.scopes))
    client.set_default_scopes(list(spec.scopes))
    client.set_redirect_uris(access.redirect_uris)
    client.set_grant_types(list(spec.grant_types))
    client.set_response_types([Client.ResponseType.CODE])
    client.skip_consent = False
    client.save()
