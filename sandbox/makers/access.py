"""The door of every maker's API: outages first, then the bearer token, the application and the consent."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.idp.oidc.models import Token
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox.cars import garage
from sandbox.cars.models import Car
from sandbox.makers.grants import grant_behind
from sandbox.makers.models import Grant, Maker
from sandbox.world import clock, config

RETRY_AFTER_SECONDS = 30
P = ParamSpec("P")


class Refused(Exception):
    """The API answers with an error instead."""

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        self.title = title
        super().__init__(title)

    def as_response(self) -> JsonResponse:
        """Return the error as the dialects word it."""
        body = {"status": "FAILED", "error": {"code": self.status, "title": self.title}}
        answer = JsonResponse(body, status=self.status)
        if self.status == 429:
            answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer


def api(view: Callable[Concatenate[HttpRequest, Grant, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let `view` see only requests that carry a valid token of the maker, with the grant behind it."""

    @csrf_exempt  # bearer tokens, no cookies
    @wraps(view)
    def guarded(request: HttpRequest, maker: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, _open_door(request, maker), *args, **kwargs)
        except Refused as refused:
            return refused.as_response()

    return guarded


def _open_door(request: HttpRequest, slug: str) -> Grant:
    maker = Maker.objects.get(slug=slug)
    _refuse_outage(maker)
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    grant = grant_behind(value, types=[Token.Type.ACCESS_TOKEN]) if scheme.lower() == "bearer" else None
    if grant is None or grant.maker_id != maker.pk:
        raise Refused(401, "Unauthorized")
    application_id = request.headers.get("Application-Id", "")
    if not application_id or (config.FORD_APPLICATION_ID and application_id != config.FORD_APPLICATION_ID):
        raise Refused(401, "Unknown application")
    return grant


def _refuse_outage(place: Maker | Car) -> None:
    if place.is_api_down:
        raise Refused(503, "Service unavailable")
    if place.is_rate_limited:
        raise Refused(429, "Too many requests")


def consented_car(grant: Grant, vehicle_id: str) -> Car:
    """Return the car, up to date; refuses unknown cars, cars outside the grant and cars with an outage."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
    except Car.DoesNotExist as error:
        raise Refused(404, "Vehicle not found") from error
    if car.maker != grant.maker.slug:
        raise Refused(404, "Vehicle not found")
    if not grant.cars.filter(pk=car.pk).exists():
        raise Refused(403, "Vehicle not authorized by its owner")
    _refuse_outage(car)
    return car
