"""The stand-in's own pages and its control: what the bank got, what goes wrong, which knobs are turned."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sandbox.stripe import bank as money
from sandbox.stripe import events, wire
from sandbox.stripe.models import Account, Event, Fault, Knobs, Payout, Transfer
from sandbox.stripe.operations import OPERATIONS
from sandbox.world import clock
from sandbox.world.bodies import BadBody, read_number, read_object, refuse_bad_bodies

SHOWN = 50
KNOBS = {"payout_delay_seconds": 30 * 86_400, "key_lifetime_seconds": 30 * 86_400, "link_lifetime_seconds": 86_400}


@require_safe
def show_stripe(request: HttpRequest) -> HttpResponse:
    """Show balances, accounts, transfers, payouts and events."""
    now = clock.now()
    money.run_due(now=now)
    context = {
        "balances": [(currency.upper(), money.available(None, currency, now=now)) for currency in money.CURRENCIES],
        "accounts": Account.objects.order_by("-pk")[:SHOWN],
        "transfers": Transfer.objects.select_related("account").order_by("-pk")[:SHOWN],
        "payouts": Payout.objects.select_related("account").order_by("-pk")[:SHOWN],
        "events": Event.objects.select_related("account").order_by("-pk")[:SHOWN],
    }
    return render(request, "stripe/stripe.html", context)


@require_safe
def show_bank(request: HttpRequest) -> HttpResponse:
    """Show the payouts that reached the bank."""
    money.run_due(now=clock.now())
    return render(request, "stripe/bank.html", {"payouts": _arrived()[:SHOWN]})


@require_safe
def bank(_request: HttpRequest) -> HttpResponseBase:
    """Answer the payouts that reached the bank and stayed there, newest first; amounts in minor units."""
    money.run_due(now=clock.now())
    return JsonResponse([_posting(payout) for payout in _arrived()], safe=False)


@require_safe
def show_control(request: HttpRequest) -> HttpResponse:
    """Show the switches."""
    context = {
        "faults": Fault.objects.all(),
        "kinds": Fault.Kind.choices,
        "operations": sorted({operation.name for operation in OPERATIONS}),
        "knobs": Knobs.current(),
        "payouts": Payout.objects.exclude(status=Payout.Status.FAILED).order_by("-pk")[:SHOWN],
        "failures": wire.FAILURES,
    }
    return render(request, "stripe/control.html", context)


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Do what a form of the control page asks: switch on, lift, fail a payout, turn the knobs."""
    given: dict[str, Any] = {name: value for name, value in request.POST.dict().items() if value}
    try:
        if "lift" in given:
            Fault.objects.filter(pk=given["lift"]).delete()
        elif "payout" in given:
            _fail(given["payout"], given.get("code"))
        elif "kind" in given:
            _switch_on(given | {name: float(given[name]) for name in ("count", "seconds") if name in given})
        else:
            _turn({name: float(given[name]) for name in KNOBS if name in given})
    except ValueError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    return redirect("stripe:control")


# Exempt from CSRF here and below: the control API is for programs on this machine and carries no session.
@csrf_exempt
@require_http_methods(["GET", "POST", "DELETE"])
@refuse_bad_bodies
def control_faults(request: HttpRequest) -> HttpResponseBase:
    """List the faults, switch one on (POST kind, operation?, count?, seconds?) or lift all (DELETE)."""
    if request.method == "POST":
        return JsonResponse(_fault(_switch_on(read_object(request))), status=201)
    if request.method == "DELETE":
        Fault.objects.all().delete()
    return JsonResponse([_fault(fault) for fault in Fault.objects.all()], safe=False)


@csrf_exempt
@require_http_methods(["DELETE"])
def control_fault(_request: HttpRequest, pk: int) -> HttpResponseBase:
    """Lift one fault."""
    found, _ = Fault.objects.filter(pk=pk).delete()
    return JsonResponse({"lifted": bool(found)}, status=200 if found else 404)


@csrf_exempt
@require_http_methods(["GET", "PUT"])
@refuse_bad_bodies
def control_knobs(request: HttpRequest) -> HttpResponseBase:
    """Show or turn the knobs: payout_delay_seconds (simulated), key_ and link_lifetime_seconds (real)."""
    if request.method == "PUT":
        _turn(read_object(request))
    knobs = Knobs.current()
    return JsonResponse({name: getattr(knobs, name) for name in KNOBS})


@csrf_exempt
@require_POST
@refuse_bad_bodies
def control_payout(request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Let the bank send a payout back, paid or not (POST code?)."""
    return JsonResponse(wire.payout(_fail(object_id, read_object(request).get("code"))))


@csrf_exempt
@require_POST
@refuse_bad_bodies
def control_account(request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Set an account's capability (POST status: pending, active or restricted), as a review at Stripe would."""
    account = get_object_or_404(Account, object_id=object_id)
    status = read_object(request).get("status")
    if status not in Account.Status.values:
        raise BadBody(f"status is one of {Account.Status.values}")
    with transaction.atomic():
        account.transfers_status = status
        account.save()
        events.record_account_change(account, at=clock.now(), capability=True)
    return JsonResponse({"id": account.object_id, "status": status})


def _arrived() -> Any:
    return Payout.objects.filter(status=Payout.Status.PAID).select_related("account").order_by("-arrives_at", "-pk")


def _posting(payout: Payout) -> dict[str, Any]:
    return {
        "payout": payout.object_id,
        "account": payout.account.object_id,
        "email": payout.account.contact_email,
        "amount": payout.amount,
        "currency": payout.currency,
        "arrived_at": payout.arrives_at.isoformat().replace("+00:00", "Z"),
    }


def _switch_on(body: dict[str, Any]) -> Fault:
    kind, operation = body.get("kind"), body.get("operation", "")
    if kind not in Fault.Kind.values:
        raise BadBody(f"kind is one of {Fault.Kind.values}")
    if operation and operation not in {known.name for known in OPERATIONS}:
        raise BadBody("operation is unknown")
    seconds = read_number(body, "seconds", least=0, most=86_400, default=0)
    if kind in {Fault.Kind.SLOW, Fault.Kind.WEBHOOK_OUTAGE} and not seconds:
        raise BadBody("seconds says how long")
    is_outage = kind == Fault.Kind.WEBHOOK_OUTAGE
    return Fault.objects.create(
        kind=kind,
        operation=operation,
        remaining=int(read_number(body, "count", least=1, most=1_000, default=1)),
        seconds=seconds,
        until_at=clock.wall() + timedelta(seconds=seconds) if is_outage else None,
    )


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.pk,
        "kind": fault.kind,
        "operation": fault.operation,
        "count": fault.remaining,
        "seconds": fault.seconds,
    }


def _turn(body: dict[str, Any]) -> None:
    unknown = set(body) - set(KNOBS)
    if unknown:
        raise BadBody(f"unknown knobs: {sorted(unknown)}")
    values = {name: int(read_number(body, name, least=0, most=KNOBS[name])) for name in body}
    Knobs.objects.update_or_create(id=1, defaults=values)


def _fail(object_id: str, code: object) -> Payout:
    payout = get_object_or_404(Payout, object_id=object_id)
    chosen = code or "could_not_process"
    if chosen not in wire.FAILURES:
        raise BadBody(f"code is one of {sorted(wire.FAILURES)}")
    if payout.status == Payout.Status.FAILED:
        raise BadBody("the payout has failed already")
    with transaction.atomic():
        money.fail_payout(payout, code=str(chosen), at=clock.now())
    return payout
