"""The addresses of the wall box maker, below `/homebox/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.homebox import api, control

API = "partner/v1/boxes"

urlpatterns: list[URLPattern] = [
    path(API, api.list_boxes),
    path(f"{API}/<slug:box_id>", api.show_box),
    path(f"{API}/<slug:box_id>/state", api.show_state),
    path(f"{API}/<slug:box_id>/setpoint", api.change_setpoint),
    path("boxes", control.show_boxes, name="boxes"),
    path("boxes/<slug:box_id>/guest", control.change_guest, name="box-guest"),
    path("control/boxes/<slug:box_id>", control.control_box),
]
