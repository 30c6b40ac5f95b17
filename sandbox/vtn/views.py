"""The utility's desk: a page to ask for help and to see what came back, and the control API for tests and demos."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sandbox.vtn import events, store
from sandbox.vtn.models import VtnFault, VtnObject
from sandbox.vtn.readable import show_report
from sandbox.vtn.registration import utility_desk
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_instant, read_number, read_object, refuse_bad_bodies

Kind = VtnObject.Kind
MOST_MINUTES = 60 * 24 * 365
NOMINATIONS = "nominations"


@require_safe
def show_desk(request: HttpRequest) -> HttpResponse:
    """Show programs, events, reports and faults."""
    context = {
        "programs": VtnObject.objects.filter(kind=Kind.PROGRAM),
        "events": VtnObject.objects.filter(kind=Kind.EVENT).order_by("-id")[:50],
        "reports": [
            show_report(row.body, came_at=row.modified_at)
            for row in VtnObject.objects.filter(kind=Kind.REPORT).order_by("-modified_at")[:30]
        ],
        "vens": VtnObject.objects.filter(kind=Kind.VEN).select_related("client"),
        "faults": VtnFault.objects.all(),
        "fault_kinds": VtnFault.Kind.choices,
        "event_kinds": list(events.KINDS),
        "report_kinds": list(events.REPORTS),
    }
    return render(request, "vtn/desk.html", context)


@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for help from the page's form."""
    try:
        _make_event(
            {
                "kind": request.POST.get("kind"),
                "minutesAhead": float(request.POST.get("minutes_ahead", "")),
                "minutes": float(request.POST.get("minutes", "")),
                "targetKw": float(request.POST.get("target_kw", "")),
                "priority": float(request.POST.get("priority") or 1),
                "reports": request.POST.get("reports") or "the result",
                "targets": request.POST.get("targets", "").split(),
            }
        )
    except ValueError as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain")
    messages.success(request, "The event stands.")
    return redirect("vtn:desk")


@require_POST
def call_off(request: HttpRequest, identity: str) -> HttpResponse:
    """Call an event off: deleted, or shrunk to nothing."""
    desk = utility_desk()
    try:
        row = store.find(Kind.EVENT, identity, desk)
    except store.Problem as problem:
        return HttpResponse(problem.detail, status=problem.status, content_type="text/plain")
    if request.POST.get("how") == "shrink":
        period = (row.body.get("intervalPeriod") or {}) | {"duration": "PT0S"}
        store.change(row, row.body | {"intervalPeriod": period}, desk)
    else:
        store.drop(row, desk)
    messages.success(request, "The event is called off.")
    return redirect("vtn:desk")


@require_POST
def switch_fault(request: HttpRequest) -> HttpResponse:
    """Switch a fault on or off from the page."""
    kind = request.POST.get("kind", "")
    if VtnFault.objects.filter(kind=kind).delete()[0] == 0 and kind in VtnFault.Kind.values:
        VtnFault.objects.create(kind=kind, seconds=5)
    return redirect("vtn:desk")


# Exempt from CSRF: the control API is for programs on this machine and carries no session.
@csrf_exempt
@require_http_methods(["GET", "POST", "DELETE"])
@refuse_bad_bodies
def control_faults(request: HttpRequest) -> HttpResponseBase:
    """List the faults, switch one on (POST kind, minutes?, seconds?) or lift all of them (DELETE)."""
    if request.method == "DELETE":
        VtnFault.objects.all().delete()
    if request.method == "POST":
        body = read_object(request)
        if body.get("kind") not in VtnFault.Kind.values:
            raise BadBody(f"kind is one of {VtnFault.Kind.values}")
        minutes = read_number(body, "minutes", least=0, most=MOST_MINUTES, default=0)
        VtnFault.objects.create(
            kind=body["kind"],
            seconds=read_number(body, "seconds", least=0, most=60, default=5),
            ends_at=clock.now() + timedelta(minutes=minutes) if minutes else None,
        )
    return JsonResponse(
        [{"kind": fault.kind, "seconds": fault.seconds} for fault in VtnFault.objects.all()], safe=False
    )


@csrf_exempt
@require_http_methods(["GET", "POST", "DELETE"])
@refuse_bad_bodies
def control_events(request: HttpRequest) -> HttpResponseBase:
    """List the events, ask for help (POST), drop all (DELETE).

    POST: kind, startsAt or minutesAhead, minutes, targetKw, and where wanted priority, targets, pieces (intervals of
    equal length), reports (a name of `events.REPORTS`) and `with`, which replaces parts of the event as worded. Of kind
    nominations: days.
    """
    if request.method == "DELETE":
        VtnObject.objects.filter(kind=Kind.EVENT).delete()
    if request.method == "POST":
        return JsonResponse(_shown(_make_event(read_object(request))), status=201)
    return JsonResponse([_shown(row) for row in VtnObject.objects.filter(kind=Kind.EVENT)], safe=False)


@require_safe
def control_programs(request: HttpRequest) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """List the programs."""
    return JsonResponse([_shown(row) for row in VtnObject.objects.filter(kind=Kind.PROGRAM)], safe=False)


@require_safe
def control_reports(request: HttpRequest) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """List the reports that came back."""
    return JsonResponse([_shown(row) for row in VtnObject.objects.filter(kind=Kind.REPORT)], safe=False)


def _shown(row: VtnObject) -> dict[str, Any]:
    return store.describe(row, stamp=store.rfc3339)


@require_POST
def ask_nominations(request: HttpRequest) -> HttpResponse:
    """Ask from the page what can be counted on from today on."""
    try:
        _make_event({"kind": NOMINATIONS, "days": float(request.POST.get("days", ""))})
    except ValueError as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain")
    messages.success(request, "They are asked for.")
    return redirect("vtn:desk")


def _make_wish(body: dict[str, Any]) -> VtnObject:
    days = int(read_number(body, "days", least=1, most=366, default=30))
    starts_at = clock.now().replace(microsecond=0)
    wording = events.word_wish(program_id=_program().identity, starts_at=starts_at, days=days)
    return store.create(Kind.EVENT, wording | (body.get("with") or {}), utility_desk())


def _program() -> VtnObject:
    program = VtnObject.objects.filter(kind=Kind.PROGRAM).first()
    if program is None:
        raise BadBody("there is no program")
    return program


def _make_event(body: dict[str, Any]) -> VtnObject:
    if body.get("kind") == NOMINATIONS:
        return _make_wish(body)
    if body.get("kind") not in events.KINDS:
        raise BadBody(f"kind is one of {[*events.KINDS, NOMINATIONS]}")
    if body.get("reports", "the result") not in events.REPORTS:
        raise BadBody(f"reports is one of {list(events.REPORTS)}")
    ahead = timedelta(minutes=read_number(body, "minutesAhead", least=-MOST_MINUTES, most=MOST_MINUTES, default=0))
    wording = events.word_event(
        program_id=_program().identity,
        kind=body["kind"],
        starts_at=read_instant(body, "startsAt", default=clock.now() + ahead).replace(microsecond=0),
        length=timedelta(minutes=read_number(body, "minutes", least=0, most=MOST_MINUTES)),
        target_kw=read_number(body, "targetKw", least=0, most=10**6),
        priority=int(read_number(body, "priority", least=0, most=100, default=1)),
        reports=str(body.get("reports", "the result")),
        pieces=int(read_number(body, "pieces", least=1, most=1000, default=1)),
    )
    if isinstance(body.get("targets"), list) and body["targets"]:
        wording["targets"] = [str(target) for target in body["targets"]]
    if isinstance(body.get("with"), dict):
        wording |= body["with"]
    return store.create(Kind.EVENT, wording, utility_desk())
