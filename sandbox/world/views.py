"""The index page, the health check and the clock's control."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.makers.models import Maker
from sandbox.world import clock
from sandbox.world.bodies import read_instant, read_number, read_object, refuse_bad_bodies


@require_safe
def show_index(request: HttpRequest) -> HttpResponse:
    """Show what there is in this pretend world."""
    return render(request, "sandbox/index.html", {"makers": Maker.objects.order_by("name")})


@require_safe
def show_health(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Answer that the sandbox is up."""
    return JsonResponse({"status": "ok", "now": clock.now().isoformat()})


# Exempt from CSRF: PUT from another origin needs a preflight, which nobody here answers.
@csrf_exempt
@require_http_methods(["GET", "PUT", "DELETE"])
@refuse_bad_bodies
def control_clock(request: HttpRequest) -> HttpResponseBase:
    """Show, replace (PUT simulated_at, wall_at, rate) or drop (DELETE) the anchor."""
    if request.method == "PUT":
        body = read_object(request)
        clock.set_anchor(
            simulated_at=read_instant(body, "simulated_at"),
            wall_at=read_instant(body, "wall_at", default=clock.wall()),
            rate=read_number(body, "rate", least=0, most=86_400, default=1),
        )
    if request.method == "DELETE":
        clock.clear_anchor()
    anchor = clock.current_anchor()
    answer: dict[str, str | float | None] = {"now": clock.now().isoformat(), "rate": 1.0}
    answer |= {"simulated_at": None, "wall_at": None}
    if anchor is not None:
        answer |= {"simulated_at": anchor.simulated_at.isoformat(), "wall_at": anchor.wall_at.isoformat()}
        answer["rate"] = anchor.rate
    return JsonResponse(answer)
