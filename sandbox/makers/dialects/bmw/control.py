"""The control of what is BMW's alone, as API and as page: stream, quota, containers and device codes under way."""

from datetime import UTC
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sandbox.makers.dialects.bmw import pairing, stream
from sandbox.makers.dialects.bmw.api import REQUESTS_A_DAY
from sandbox.makers.dialects.bmw.models import Container, DayOfRequests, StreamFaults, StreamKey, gcid_of
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_flag, read_number, read_object, refuse_bad_bodies

FAULTS = {"silent": "is_silent", "sendsTwice": "sends_twice"}
ONCE = ("dropConnections", "expireIdTokens", "expireDeviceCodes", "deleteContainers")
LABELS = {
    "silent": "The stream says nothing",
    "sendsTwice": "Everything comes twice, as from an old container",
    "dropConnections": "Drop every listener",
    "expireIdTokens": "Let the id tokens run out",
    "expireDeviceCodes": "Let codes under way run out",
    "deleteContainers": "Delete every container",
}


# Exempt from CSRF: PATCH from another origin needs a preflight, which nobody here answers.
@csrf_exempt
@require_http_methods(["GET", "PATCH"])
@refuse_bad_bodies
def control(request: HttpRequest, maker: str) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Show the stream, its keys and today's requests; PATCH sets faults, or does one of ONCE."""
    if request.method == "PATCH":
        _patch(read_object(request))
    return JsonResponse(_describe())


@require_http_methods(["GET", "POST"])
def show_control(request: HttpRequest, maker: str) -> HttpResponse:  # noqa: ARG001
    """Show the same as a page, with a box for each fault and a button for what is done once."""
    if request.method == "POST":
        once = request.POST.get("once", "")
        _patch({once: True} if once in ONCE else {name: name in request.POST for name in FAULTS})
        messages.success(request, f"{LABELS[once]}: done." if once in ONCE else "The faults are set.")
        return redirect("bmw-control")
    found = _describe()
    faults = [(name, LABELS[name], found[name]) for name in FAULTS]
    once_only = [(name, LABELS[name]) for name in ONCE]
    return render(request, "bmw/control.html", found | {"faults": faults, "once": once_only})


def _describe() -> dict[str, Any]:
    faults, running, wall = StreamFaults.current(), stream.current(), clock.wall()
    today = clock.now().astimezone(UTC).date()
    days = DayOfRequests.objects.filter(on_date=today).select_related("owner")[:100]
    keys = StreamKey.objects.select_related("owner")[:100]
    answer: dict[str, Any] = {name: getattr(faults, column) for name, column in FAULTS.items()}
    answer |= {
        "streamPort": running.broker.port if running else None,
        "caFile": str(running.broker.ca_file.resolve()) if running else None,
        "requestsToday": {day.owner.username: day.count for day in days},
        "requestsADay": REQUESTS_A_DAY,
        "keys": [
            {"account": key.owner.username, "gcid": gcid_of(key.owner), "isValid": key.expires_at > wall}
            for key in keys
        ],
    }
    return answer


def _patch(body: dict[str, Any]) -> None:
    unknown = set(body) - {*FAULTS, *ONCE, "requestsToday"}
    if unknown:
        raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        faults = StreamFaults.current()
        for name, column in FAULTS.items():
            if name in body:
                setattr(faults, column, read_flag(body, name))
        faults.save()
        wanted = {name for name in ONCE if name in body and read_flag(body, name)}
        if "expireIdTokens" in wanted:
            StreamKey.objects.filter(expires_at__gt=clock.wall()).update(expires_at=clock.wall())
        if "deleteContainers" in wanted:
            Container.objects.update(is_deleted=True)
        if "requestsToday" in body:
            count = int(read_number(body, "requestsToday", least=0, most=REQUESTS_A_DAY))
            DayOfRequests.objects.filter(on_date=clock.now().astimezone(UTC).date()).update(count=count)
    if "expireDeviceCodes" in wanted:
        pairing.expire_all()
    stream.note_keys()
    if "dropConnections" in wanted and (running := stream.current()) is not None:
        running.drop_all()
