"""The owner's own app: looking at the car in it uses up the same ration of reads that partners draw from."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sandbox.cars import garage
from sandbox.cars.models import Car
from sandbox.makers.access import Refused, answer_refusal
from sandbox.makers.dialects.gm.ration import draw_read
from sandbox.world import clock


# Exempt from CSRF like the control API: nothing but a pretend car is behind it.
@csrf_exempt
@require_POST
def open_app(request: HttpRequest, maker: str, vehicle_id: str) -> HttpResponseBase:
    """Play the owner who looks at the car."""
    try:
        with transaction.atomic():
            car = garage.look_at(vehicle_id, now=clock.now())
            if car.maker != maker:
                raise Refused(404, "Vehicle not found")
            draw_read(car, now=clock.now())
    except Car.DoesNotExist:
        return answer_refusal(Refused(404, "Vehicle not found"))
    except Refused as refused:
        if "text/html" not in request.headers.get("Accept", ""):
            return answer_refusal(refused)
        messages.error(request, f"{refused.title}: the ration of reads is used up.")
    if "text/html" in request.headers.get("Accept", ""):
        return redirect("car", vehicle_id=vehicle_id)
    return JsonResponse({"readsUsedUntil": car.reads_used_until and car.reads_used_until.isoformat()})
