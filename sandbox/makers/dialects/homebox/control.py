"""The hands at the wall box: which car uses it, by page and by control API."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sandbox.cars import physics
from sandbox.cars.models import Car
from sandbox.makers import boxes
from sandbox.makers.models import Box
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_flag, read_object, refuse_bad_bodies


@require_safe
def show_boxes(request: HttpRequest, maker: str) -> HttpResponse:  # noqa: ARG001 - a view's signature
    """Show each box, the car at it, and a choice of other cars."""
    now = clock.now()
    rows = []
    for box in Box.objects.select_related("guest", "owner")[:50]:
        seen = boxes.look_at(box, now=now)
        power_kw = 0.0
        if seen.car is not None and seen.state is not None:
            power_kw = physics.power_w(seen.state, seen.car.spec) / 1000
        neighbours = Car.objects.filter(home_latitude=box.latitude, home_longitude=box.longitude)
        rows.append({"box": box, "mode": boxes.mode(seen), "power_kw": power_kw, "seen": seen, "cars": neighbours})
    return render(request, "homebox/boxes.html", {"rows": rows})


@require_POST
def change_guest(request: HttpRequest, maker: str, box_id: str) -> HttpResponse:  # noqa: ARG001
    """Let the chosen car use the box."""
    box = get_object_or_404(Box, box_id=box_id)
    chosen = request.POST.get("guest", "")
    if chosen:
        get_object_or_404(Car, vehicle_id=chosen)
    boxes.change_guest(box, chosen, now=clock.now())
    messages.success(request, "Another car uses the box now." if chosen else "No car uses the box now.")
    return redirect("boxes")


# Exempt from CSRF: PATCH from another origin needs a preflight, which nobody here answers.
@csrf_exempt
@require_http_methods(["GET", "PATCH"])
@refuse_bad_bodies
def control_box(request: HttpRequest, maker: str, box_id: str) -> HttpResponseBase:  # noqa: ARG001
    """Return the box; PATCH sets `guest` (a vehicle id, or "" for none) and `offline`."""
    box = Box.objects.select_related("guest").filter(box_id=box_id).first()
    if box is None:
        return JsonResponse({"error": "no such box"}, status=404)
    if request.method == "PATCH":
        _patch(box, read_object(request))
    seen = boxes.look_at(box, now=clock.now())
    return JsonResponse(
        {
            "boxId": box.box_id,
            "guest": box.guest.vehicle_id if box.guest else None,
            "mode": boxes.mode(seen),
            "importedWh": seen.imported_wh,
            "exportedWh": seen.exported_wh,
            "offline": box.is_offline,
        }
    )


def _patch(box: Box, body: dict[str, Any]) -> None:
    if unknown := set(body) - {"guest", "offline"}:
        raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
    if "offline" in body:
        box.is_offline = read_flag(body, "offline")
        box.save(update_fields=["is_offline"])
    if "guest" in body:
        guest = str(body["guest"] or "")
        if guest and not Car.objects.filter(vehicle_id=guest).exists():
            raise BadBody("guest is no car here")
        boxes.change_guest(box, guest, now=clock.now())
