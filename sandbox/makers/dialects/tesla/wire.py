"""What all addresses of the Tesla-like dialect share: its door and errors, scopes, cars by VIN or id, billed calls."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponseBase

from sandbox.cars.models import Car
from sandbox.makers.access import Refused, account_cars, consented_car, door
from sandbox.makers.models import Grant, Maker, Tally
from sandbox.makers.tokens import scopes_of

ASLEEP = "vehicle unavailable: vehicle is offline or asleep"
DATA, PLACE = "vehicle_device_data", "vehicle_location"
COMMANDS = ("vehicle_charging_cmds", "vehicle_cmds")


def word(refused: Refused) -> dict[str, Any]:
    """Return an error's body as Fleet API words it."""
    return {"response": None, "error": refused.title, "error_description": refused.code}


api = door(word=word)


def billed(kind: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Make a decorator that counts the calls of one kind; as at the maker, whatever it answers below 500 is billed."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def counted(request: HttpRequest, maker: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            answer = view(request, maker, *args, **kwargs)
            if answer.status_code < 500:
                row, _ = Tally.objects.get_or_create(maker=Maker.objects.get(slug=maker), kind=kind)
                Tally.objects.filter(pk=row.pk).update(count=F("count") + 1)
            return answer

        return counted

    return decorate


def granted_scopes(request: HttpRequest) -> set[str]:
    """Return what the owner left ticked."""
    return scopes_of(request.headers.get("Authorization", "").partition(" ")[2])


def need_scope(request: HttpRequest, *scopes: str) -> None:
    """Raise Refused where the owner granted none of `scopes`."""
    if not granted_scopes(request) & set(scopes):
        raise Refused(403, "Unauthorized missing scopes")


def shared_cars(grant: Grant) -> list[Car]:
    """Return the account's cars that the owner shared; others are not even listed."""
    shared = set(grant.cars.values_list("pk", flat=True))
    return [car for car in account_cars(grant) if car.pk in shared]


def find_car(grant: Grant, tag: str) -> Car:
    """Return the car that a VIN or an id names, up to date; raises Refused."""
    car = Car.objects.filter(Q(vin=tag) | Q(vehicle_id=tag), maker=grant.maker.slug).first()
    if car is None:
        raise Refused(404, "not_found")
    return consented_car(grant, car.vehicle_id)
