"""The addresses of the Honda partner, below `/honda/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.honda import actions, api

API = "partner/v1/vehicles"

urlpatterns: list[URLPattern] = [
    path(API, api.list_vehicles),
    path(f"{API}/<slug:vehicle_id>/capabilities", api.show_capabilities),
    path(f"{API}/<slug:vehicle_id>/state", api.show_state),
    path(f"{API}/<slug:vehicle_id>/actions", actions.create_action),
    path(f"{API}/<slug:vehicle_id>/actions/<slug:action_id>", actions.show_action),
]
