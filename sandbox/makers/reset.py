"""The world put back to a known evening in one call: every car parked and plugged in, no order, no fault."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sandbox.cars import actions, physics
from sandbox.cars.models import Car, Command
from sandbox.cars.physics import CarState
from sandbox.makers.control import FAULTS
from sandbox.makers.models import Box, Delivery, Maker
from sandbox.world import clock
from sandbox.world.bodies import read_instant, read_number, read_object, refuse_bad_bodies


# Exempt from CSRF: its JSON body needs a preflight from elsewhere, which nobody here answers.
@csrf_exempt
@require_POST
@refuse_bad_bodies
def reset(request: HttpRequest) -> HttpResponseBase:
    """Stop the clock `at` an instant and park every car at `socPercent`; consents, meters and histories stay."""
    body = read_object(request)
    at = read_instant(body, "at")
    soc_percent = read_number(body, "socPercent", least=0, most=100, default=50)
    with transaction.atomic():
        clock.set_anchor(simulated_at=at, wall_at=clock.wall(), rate=0)
        Command.objects.filter(status=Command.Status.PENDING).update(status=Command.Status.FAILED, reason="reset")
        cars = list(Car.objects.all()[:1000])
        for car in cars:
            _park(car, at=at, soc_percent=soc_percent)
        names = [column for column in actions.FAULTS.values() if column]
        Car.objects.bulk_update(cars, ["record", "served_record", "reads_used_until", *names])
        Maker.objects.update(webhook_faults={}, **dict.fromkeys(FAULTS.values(), False))
        Delivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=None, failure="reset")
        Box.objects.update(is_offline=False)
    return JsonResponse({"cars": len(cars)})


def _park(car: Car, *, at: datetime, soc_percent: float) -> None:
    energy_wh = soc_percent / 100 * car.spec.battery_wh
    state = car.state if car.record is not None else CarState(as_of=at, energy_wh=energy_wh, last_active_at=at)
    state = replace(physics.put_back(state, at), energy_wh=energy_wh, is_limit_ignored=False, window=None)
    car.state = replace(state, limit_percent=CarState.limit_percent)
    car.served_record, car.reads_used_until = None, None
    for name, column in actions.FAULTS.items():
        if column:
            setattr(car, column, 0 if name == "commandDelaySeconds" else False)
