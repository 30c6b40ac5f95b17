"""The addresses of Smartcar, below `/smartcar/`."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.smartcar import api, commands, connect, verify

API = "vehicle/v3"

urlpatterns: list[URLPattern] = [
    path("connect/authorize", connect.connect),
    path(f"{API}/connections", api.list_connections),
    path(f"{API}/users/<slug:user_id>", api.remove_user),
    path(f"{API}/vehicles/<slug:vehicle_id>/signals", api.list_signals),
    path(f"{API}/vehicles/<slug:vehicle_id>/signals/<slug:code>", api.show_signal),
    path(f"{API}/vehicles/<slug:vehicle_id>/commands/charge/<slug:name>", commands.send_command),
    path("control/verify", verify.verify),
]
