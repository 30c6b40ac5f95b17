"""The addresses of the Tesla-like dialect, below `/tesla/`: Fleet API, and the signing proxy before it."""

from django.urls import URLPattern, path

from sandbox.makers.dialects.tesla import commands, reads

API, PROXY = "api/1", "proxy/api/1"

urlpatterns: list[URLPattern] = [
    path(f"{API}/users/region", reads.show_region),
    path(f"{API}/vehicles", reads.list_vehicles),
    path(f"{API}/vehicles/<slug:tag>", reads.show_vehicle),
    path(f"{API}/vehicles/<slug:tag>/vehicle_data", reads.show_data),
    path(f"{API}/vehicles/<slug:tag>/wake_up", commands.wake_up),
    path(f"{API}/vehicles/<slug:tag>/command/<slug:name>", commands.refuse_unsigned),
    path(f"{PROXY}/vehicles/<slug:tag>/wake_up", commands.wake_up),
    path(f"{PROXY}/vehicles/<slug:tag>/command/<slug:name>", commands.send_command),
]
