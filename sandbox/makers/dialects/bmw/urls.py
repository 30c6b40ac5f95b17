"""The addresses of BMW's accounts and CarData, below `/bmw/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.bmw import api, control, oauth

urlpatterns: list[URLPattern] = [
    path("gcdm/oauth/device/code", oauth.give_device_code),
    path("gcdm/oauth/token", oauth.BmwTokenView.as_view()),
    path("oneid/link", oauth.show_device_page, name="bmw-device"),
    path("cardata/customers/vehicles/mappings", api.list_mappings),
    path("cardata/customers/vehicles/<str:vin>/basicData", api.show_basic_data),
    path("cardata/customers/vehicles/<str:vin>/telematicData", api.show_telematics),
    path("cardata/customers/containers", api.list_containers),
    path("cardata/customers/containers/<str:container_id>", api.show_container),
    path("control", control.control),
    path("stream", control.show_control, name="bmw-control"),
]
