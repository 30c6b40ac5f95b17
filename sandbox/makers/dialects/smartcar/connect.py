"""Smartcar Connect: the hosted page on which an owner signs in at a make, picks cars and ticks permissions."""

import secrets
from typing import Any

from allauth.core.internal.httpkit import add_query_params
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from sandbox.cars.models import Car
from sandbox.makers.dialects.smartcar.errors import user_id_of
from sandbox.makers.grants import make_grant
from sandbox.makers.models import Maker
from sandbox.makers.oauth import client_name
from sandbox.world import config

PERMISSIONS = {
    "read_vehicle_info": "See make, model and year",
    "read_vin": "See the VIN",
    "read_battery": "See battery and range",
    "read_charge": "See plug and charging",
    "read_location": "See where the car is",
    "control_charge": "Start and stop charging, set its limit",
}


@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest, maker: str) -> HttpResponse:
    """Show the page, or take the decision and send the owner back with a user id."""
    if fault := _find_fault(request):
        return HttpResponseBadRequest(fault, content_type="text/plain")
    if not request.user.is_authenticated or not Car.objects.filter(owner=request.user, maker=maker).exists():
        logout(request)
        return redirect_to_login(request.get_full_path(), reverse("maker-sign-in", args=[maker]))
    asked = {name: PERMISSIONS[name] for name in request.GET.get("scope", "").split() if name in PERMISSIONS}
    cars = Car.objects.filter(owner=request.user, maker=maker, is_sold=False)
    if request.method == "POST":
        chosen = list(cars.filter(vehicle_id__in=request.POST.getlist("vehicles")))
        if request.POST.get("action") != "allow":
            return _back(request, error="access_denied")
        if chosen:
            return _allow(request, maker, chosen, [name for name in request.POST.getlist("scopes") if name in asked])
    context = {"maker": Maker.objects.get(slug=maker), "client": client_name(request.GET["client_id"]), "cars": cars}
    return render(request, "smartcar/connect.html", context | {"asked": asked, "is_retry": request.method == "POST"})


def _find_fault(request: HttpRequest) -> str:
    client = config.client_of("smartcar")
    if request.GET.get("client_id") != client.client_id:
        return "Unknown client_id."
    if request.GET.get("redirect_uri") not in client.redirect_uris:
        return "redirect_uri is not registered."
    if request.GET.get("response_type") not in {"code", "none"}:
        return "response_type must be code or none."
    if request.GET.get("mode") not in {"live", "simulated"}:
        return "mode must be live or simulated."
    return ""


def _allow(request: HttpRequest, maker: str, chosen: list[Car], permissions: list[str]) -> HttpResponse:
    owner = User.objects.get(username=request.user.get_username())
    row = Maker.objects.get(slug=maker)
    for older in row.grants.filter(owner=owner, revoked_at=None):  # a connection again replaces the one before
        older.told = older.told | {"revoked": True}
        older.revoked_at = older.granted_at
        older.save(update_fields=["told", "revoked_at"])
    grant = make_grant(maker=row, owner=owner, client_id=request.GET["client_id"], cars=chosen)
    grant.permissions = permissions
    grant.save(update_fields=["permissions"])
    return _back(request, code=secrets.token_urlsafe(24), user_id=user_id_of(owner))


def _back(request: HttpRequest, **params: Any) -> HttpResponse:
    if state := request.GET.get("state"):
        params["state"] = state
    answer = HttpResponse(status=302)
    answer["Location"] = add_query_params(request.GET["redirect_uri"], params)
    return answer
