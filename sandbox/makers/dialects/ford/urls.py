"""The addresses of the Ford-like dialect, below `/ford/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.ford import api, partner

API, PARTNER = "api/fordconnect/v3/vehicles", "partner/v1/vehicles"

urlpatterns: list[URLPattern] = [
    path(API, api.list_vehicles),
    path(f"{API}/<slug:vehicle_id>", api.show_vehicle),
    path(f"{API}/<slug:vehicle_id>/vin", api.show_vin),
    path(f"{API}/<slug:vehicle_id>/statusrefresh/<slug:command_id>", api.show_command),
    path(f"{API}/<slug:vehicle_id>/<slug:kind>", api.send_command),
    path(f"{PARTNER}/<slug:vehicle_id>/capabilities", partner.show_capabilities),
    path(f"{PARTNER}/<slug:vehicle_id>/telemetry", partner.show_telemetry),
    path(f"{PARTNER}/<slug:vehicle_id>/setpoint", partner.change_setpoint),
]
