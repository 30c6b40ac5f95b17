"""The feeds' own page and the switches of what goes wrong with them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sandbox.feeds import series
from sandbox.feeds.models import Fault
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_number, read_object, refuse_bad_bodies

MAX_MINUTES = 60 * 24 * 365


@require_safe
def show_feeds(request: HttpRequest) -> HttpResponse:
    """Show what the feeds hold, what they publish now, and the switches."""
    now = clock.now()
    newest = series.published_through(now)
    context = {
        "points": series.settlement_points(),
        "regions": sorted(series.MOER_REGIONS),
        "published_through": newest,
        "price_source_date": series.price_source_date(newest),
        "prices": series.day_ahead_prices("LZ_AEN", newest),
        "moer_source_date": series.moer_source_date(now),
        "carbon": series.marginal_carbon("CAISO_NORTH", now, now + timedelta(hours=1)),
        "faults": Fault.objects.all(),
        "feed_choices": Fault.Feed.choices,
        "kind_choices": Fault.Kind.choices,
    }
    return render(request, "feeds/feeds.html", context)


@require_POST
def switch_on(request: HttpRequest) -> HttpResponse:
    """Switch a fault on from the page's form."""
    body: dict[str, Any] = {"feed": request.POST.get("feed"), "kind": request.POST.get("kind")}
    try:
        body |= {name: float(request.POST[name]) for name in ("minutes", "offset") if request.POST.get(name)}
        _create(body)
    except ValueError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    return redirect("feeds:index")


@require_POST
def switch_off(_request: HttpRequest, pk: int) -> HttpResponse:
    """Lift a fault from the page."""
    Fault.objects.filter(pk=pk).delete()
    return redirect("feeds:index")


# Exempt from CSRF: the control API is for programs on this machine and carries no session.
@csrf_exempt
@require_http_methods(["GET", "POST", "DELETE"])
@refuse_bad_bodies
def control_faults(request: HttpRequest) -> HttpResponseBase:
    """List the faults, switch one on (POST feed, kind, minutes?, offset?) or lift all of them (DELETE)."""
    if request.method == "POST":
        return JsonResponse(_wire(_create(read_object(request))), status=201)
    if request.method == "DELETE":
        Fault.objects.all().delete()
    return JsonResponse([_wire(fault) for fault in Fault.objects.all()], safe=False)


@csrf_exempt
@require_http_methods(["DELETE"])
def control_fault(_request: HttpRequest, pk: int) -> HttpResponseBase:
    """Lift one fault."""
    found, _ = Fault.objects.filter(pk=pk).delete()
    return JsonResponse({"lifted": bool(found)}, status=200 if found else 404)


def _create(body: dict[str, Any]) -> Fault:
    """Switch on the fault that `body` describes; raises BadBody. `minutes` are simulated."""
    feed, kind = body.get("feed"), body.get("kind")
    if feed not in Fault.Feed.values or kind not in Fault.Kind.values:
        raise BadBody(f"feed is one of {Fault.Feed.values}, kind one of {Fault.Kind.values}")
    now = clock.now()
    minutes = read_number(body, "minutes", least=0, most=MAX_MINUTES, default=0)
    return Fault.objects.create(
        feed=feed,
        kind=kind,
        starts_at=now,
        ends_at=now + timedelta(minutes=minutes) if minutes else None,
        offset=read_number(body, "offset", least=-10_000, most=10_000, default=0),
    )


def _wire(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.pk,
        "feed": fault.feed,
        "kind": fault.kind,
        "starts_at": _iso(fault.starts_at),
        "ends_at": _iso(fault.ends_at) if fault.ends_at else None,
        "offset": fault.offset,
    }


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
