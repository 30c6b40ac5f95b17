"""Every maker's addresses; the maker's slug is the first step of the path."""

from django.urls import URLPattern, path, register_converter

from sandbox.makers import control, oauth, views
from sandbox.makers.dialects import ford, ford_partner


class MakerConverter:
    """The makers that exist here."""

    regex = "ford"

    def to_python(self, value: str) -> str:
        """Return the slug."""
        return value

    def to_url(self, value: str) -> str:
        """Return the slug."""
        return value


register_converter(MakerConverter, "maker")
API = "<maker:maker>/api/fordconnect/v3/vehicles"
PARTNER = "<maker:maker>/partner/v1/vehicles"

urlpatterns: list[URLPattern] = [
    path("<maker:maker>/", views.show_maker, name="maker"),
    path("<maker:maker>/faults", views.change_faults, name="maker-faults"),
    path("<maker:maker>/grants/<uuid:public_id>/revoke", views.revoke, name="maker-revoke"),
    path("<maker:maker>/sign-in", oauth.SignInView.as_view(), name="maker-sign-in"),
    path("<maker:maker>/sign-out", oauth.sign_out, name="maker-sign-out"),
    path("<maker:maker>/oauth2/authorize", oauth.AuthorizeView.as_view(), name="authorize"),
    path("<maker:maker>/oauth2/token", oauth.TokenView.as_view(), name="token"),
    path("<maker:maker>/oauth2/revoke", oauth.RevokeView.as_view(), name="revoke"),
    path(API, ford.list_vehicles),
    path(f"{API}/<slug:vehicle_id>", ford.show_vehicle),
    path(f"{API}/<slug:vehicle_id>/vin", ford.show_vin),
    path(f"{API}/<slug:vehicle_id>/statusrefresh/<slug:command_id>", ford.show_command),
    path(f"{API}/<slug:vehicle_id>/<slug:kind>", ford.send_command),
    path(f"{PARTNER}/<slug:vehicle_id>/capabilities", ford_partner.show_capabilities),
    path(f"{PARTNER}/<slug:vehicle_id>/telemetry", ford_partner.show_telemetry),
    path(f"{PARTNER}/<slug:vehicle_id>/setpoint", ford_partner.change_setpoint),
    path("control/makers/<maker:maker>", control.control_maker, name="control-maker"),
]
