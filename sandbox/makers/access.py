"""The door of every maker's API: outages first, then the bearer token, the maker's own checks and the consent."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from allauth.idp.oidc.models import Token
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox.cars import garage
from sandbox.cars.models import Car
from sandbox.makers.grants import grant_behind
from sandbox.makers.models import Grant, Maker
from sandbox.world import clock

RETRY_AFTER_SECONDS = 30
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
P = ParamSpec("P")
# A maker's own look at a request that carries a valid token, before any view sees it; it may raise Refused.
Check = Callable[[HttpRequest, Grant], None]


class Refused(Exception):
    """The API answers with an error instead; `code` is the maker's own word for it where it has one."""

    def __init__(self, status: int, title: str, *, code: str = "") -> None:
        self.status = status
        self.title = title
        self.code = code
        super().__init__(title)


def word_plainly(refused: Refused) -> dict[str, Any]:
    """Return an error's body as FordConnect and most others word it."""
    return {"status": "FAILED", "error": {"code": refused.code or refused.status, "title": refused.title}}


def answer_refusal(refused: Refused, word: Callable[[Refused], dict[str, Any]] = word_plainly) -> JsonResponse:
    """Return the error as a response in the maker's words."""
    answer = JsonResponse(word(refused), status=refused.status)
    if refused.status == 429:
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def door(
    *, check: Check | None = None, word: Callable[[Refused], dict[str, Any]] = word_plainly
) -> Callable[[Callable[Concatenate[HttpRequest, Grant, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Make a maker's door: its views see only requests with a valid token of the maker, and the grant behind it."""

    def guard(view: Callable[Concatenate[HttpRequest, Grant, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @csrf_exempt  # bearer tokens, no cookies
        @wraps(view)
        def guarded(request: HttpRequest, maker: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                grant = _open_door(request, maker)
                if check is not None:
                    check(request, grant)
                if grant.maker.is_garbled:
                    return HttpResponse("<html><title>Maintenance</title>")
                answer = view(request, grant, *args, **kwargs)
                _lose_answer(request)
            except Refused as refused:
                return answer_refusal(refused, word)
            return answer

        return guarded

    return guard


def _open_door(request: HttpRequest, slug: str) -> Grant:
    maker = Maker.objects.get(slug=slug)
    refuse_outage(maker)
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    grant = grant_behind(value, types=[Token.Type.ACCESS_TOKEN]) if scheme.lower() == "bearer" else None
    if grant is None or grant.maker_id != maker.pk:
        raise Refused(401, "Unauthorized")
    return grant


def _lose_answer(request: HttpRequest) -> None:
    """Raise Refused where the car that the address names obeys without anybody hearing of it."""
    if request.method in SAFE_METHODS or request.resolver_match is None:
        return
    named = [value for value in request.resolver_match.kwargs.values() if isinstance(value, str)]
    if Car.objects.filter(Q(vehicle_id__in=named) | Q(vin__in=named), loses_answers=True).exists():
        raise Refused(504, "Gateway timeout")


def refuse_outage(place: Maker | Car) -> None:
    """Raise Refused while a fault keeps the maker's API or this car's part of it shut."""
    if place.is_api_down:
        raise Refused(503, "Service unavailable")
    if place.is_rate_limited:
        raise Refused(429, "Too many requests")


def account_cars(grant: Grant) -> QuerySet[Car]:
    """Return the cars in the account behind the grant, whether or not the owner consented; a sold car is gone."""
    return Car.objects.filter(owner=grant.owner, maker=grant.maker.slug, is_sold=False)[:100]


def consented_car(grant: Grant, vehicle_id: str) -> Car:
    """Return the car, up to date; refuses unknown cars, cars outside the grant and cars with an outage."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
    except Car.DoesNotExist as error:
        raise Refused(404, "Vehicle not found") from error
    if car.maker != grant.maker.slug or car.is_sold:
        raise Refused(404, "Vehicle not found")
    if not grant.cars.filter(pk=car.pk).exists():
        raise Refused(403, "Vehicle not authorized by its owner")
    refuse_outage(car)
    return car
