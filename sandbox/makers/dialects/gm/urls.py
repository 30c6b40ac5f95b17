"""The addresses of the GM-like dialect, below `/gm/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.gm import api, owner

API = "partner/v1/vehicles"

urlpatterns: list[URLPattern] = [
    path(API, api.list_vehicles),
    path(f"{API}/<slug:vehicle_id>/capabilities", api.show_capabilities),
    path(f"{API}/<slug:vehicle_id>/status", api.show_status),
    path(f"{API}/<slug:vehicle_id>/commands", api.send_command),
    path(f"{API}/<slug:vehicle_id>/commands/<slug:command_id>", api.show_command),
    path("owner-app/<slug:vehicle_id>", owner.open_app),
]
