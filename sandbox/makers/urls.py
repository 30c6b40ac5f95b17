"""Every maker's addresses; the maker's slug is the first step of the path."""

from django.urls import URLPattern, URLResolver, include, path, register_converter

from sandbox.makers import control, oauth, reset, views
from sandbox.makers.makers import MAKERS


class MakerConverter:
    """The makers that exist here."""

    regex = "|".join(MAKERS)

    def to_python(self, value: str) -> str:
        """Return the slug."""
        return value

    def to_url(self, value: str) -> str:
        """Return the slug."""
        return value


register_converter(MakerConverter, "maker")

urlpatterns: list[URLPattern | URLResolver] = [
    path("<maker:maker>/", views.show_maker, name="maker"),
    path("<maker:maker>/faults", views.change_faults, name="maker-faults"),
    path("<maker:maker>/grants/<uuid:public_id>/revoke", views.revoke, name="maker-revoke"),
    path("<maker:maker>/sign-in", oauth.SignInView.as_view(), name="maker-sign-in"),
    path("<maker:maker>/sign-out", oauth.sign_out, name="maker-sign-out"),
    path("<maker:maker>/oauth2/authorize", oauth.AuthorizeView.as_view(), name="authorize"),
    path("<maker:maker>/oauth2/token", oauth.TokenView.as_view(), name="token"),
    path("<maker:maker>/oauth2/revoke", oauth.RevokeView.as_view(), name="revoke"),
    path("control/makers/<maker:maker>", control.control_maker, name="control-maker"),
    path("control/makers/<maker:maker>/deliveries", control.list_deliveries),
    path("control/reset", reset.reset),
    *(path(f"{slug}/", include(f"sandbox.makers.dialects.{slug}.urls"), {"maker": slug}) for slug in MAKERS),
]
