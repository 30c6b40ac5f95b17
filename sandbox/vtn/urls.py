"""The utility's addresses: its desk, its control API, and OpenADR 3 in two versions."""

from django.urls import URLPattern, path, register_converter

from sandbox.vtn import api, views


class VersionConverter:
    """The versions spoken here."""

    regex = r"3\.1\.0|3\.0\.1"

    def to_python(self, value: str) -> str:
        """Return the version."""
        return value

    def to_url(self, value: str) -> str:
        """Return the version."""
        return value


class ObjectsConverter(VersionConverter):
    """The lists of objects."""

    regex = "|".join(api.PATHS)


register_converter(VersionConverter, "openadr")
register_converter(ObjectsConverter, "objects")
app_name = "vtn"
RESOURCES = "<openadr:version>/vens/<str:ven>/resources"

urlpatterns: list[URLPattern] = [
    path("", views.show_desk, name="desk"),
    path("ask", views.ask, name="ask"),
    path("nominations", views.ask_nominations, name="ask-nominations"),
    path("events/<str:identity>/call-off", views.call_off, name="call-off"),
    path("faults", views.switch_fault, name="fault"),
    path("control/faults", views.control_faults),
    path("control/events", views.control_events),
    path("control/programs", views.control_programs),
    path("control/reports", views.control_reports),
    path("<openadr:version>/auth/server", api.show_auth_server),
    path("<openadr:version>/auth/token", api.give_token),
    path(RESOURCES, api.collection, {"objects": "resources"}),
    path(f"{RESOURCES}/<str:identity>", api.single, {"objects": "resources"}),
    path("<openadr:version>/<objects:objects>", api.collection),
    path("<openadr:version>/<objects:objects>/<str:identity>", api.single),
]
