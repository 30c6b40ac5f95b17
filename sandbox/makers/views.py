"""A maker's page: outages to switch on, and who was granted what."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from sandbox.cars.models import Car
from sandbox.makers.control import FAULTS
from sandbox.makers.deliverer import PUSHERS
from sandbox.makers.grants import expire_access_tokens, revoke_grant
from sandbox.makers.makers import MAKERS
from sandbox.makers.models import Grant, Maker
from sandbox.makers.oauth import client_name

FAULT_LABELS = {
    "apiDown": "API down (503)",
    "rateLimited": "Too many requests (429)",
    "tokenDown": "Token endpoint down (503)",
    "garbled": "Garbled (answers with a page instead of JSON)",
}
WEBHOOK_LABELS = {
    "twice": "Webhooks come twice",
    "outOfOrder": "Webhooks come out of order",
    "testMode": "Webhooks are marked as tests",
    "badSignature": "Webhooks are signed with a wrong secret",
    "outage": "Webhooks do not arrive",
}


def price(maker: str, kind: str) -> float:
    """Return what one call of this kind costs in US dollars; 0 where the maker does not bill it."""
    calls = MAKERS[maker].calls_per_dollar.get(kind)
    return 1 / calls if calls else 0.0


@require_safe
def show_maker(request: HttpRequest, maker: str) -> HttpResponse:
    """Show the maker's faults, grants and cars."""
    row = Maker.objects.get(slug=maker)
    grants = list(row.grants.select_related("owner").prefetch_related("cars")[:50])
    context = {
        "maker": row,
        "faults": [(name, FAULT_LABELS[name], getattr(row, column)) for name, column in FAULTS.items()],
        "webhook_faults": [
            (name, label, bool(row.webhook_faults.get(name)))
            for name, label in WEBHOOK_LABELS.items()
            if maker in PUSHERS
        ],
        "grants": [(grant, client_name(grant.client_id)) for grant in grants],
        "cars": Car.objects.filter(maker=maker).select_related("owner"),
        "bill": [(tally.kind, tally.count, price(maker, tally.kind) * tally.count) for tally in row.tallies.all()],
    }
    return render(request, "makers/maker.html", context)


@require_POST
def change_faults(request: HttpRequest, maker: str) -> HttpResponse:
    """Switch the maker's faults as the form says, or let its access tokens expire at once."""
    row = Maker.objects.get(slug=maker)
    if "expire" in request.POST:
        messages.success(request, f"Access tokens expired: {expire_access_tokens(row)}.")
        return redirect("maker", maker=maker)
    for name, column in FAULTS.items():
        setattr(row, column, name in request.POST)
    if maker in PUSHERS:
        kept = {name: value for name, value in row.webhook_faults.items() if name not in WEBHOOK_LABELS}
        row.webhook_faults = kept | {name: True for name in WEBHOOK_LABELS if name in request.POST}
    row.save()
    messages.success(request, "The faults are set.")
    return redirect("maker", maker=maker)


@require_POST
def revoke(request: HttpRequest, maker: str, public_id: UUID) -> HttpResponse:
    """Withdraw a consent on the maker's side, as an owner can."""
    revoke_grant(get_object_or_404(Grant, public_id=public_id, maker__slug=maker))
    messages.success(request, "The consent is withdrawn.")
    return redirect("maker", maker=maker)
