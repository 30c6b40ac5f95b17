"""The privacy page: what is held and read, a copy to take along, and the way out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.db.models import OuterRef, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import Consent, User
from chargescape.closing import KEPT_YEARS, open_wish, request_closing, waiting_text, withdraw_closing
from chargescape.exporting import UnableToExport, export_token, is_quick, make_due_exports, open_export, request_export
from chargescape.holdings import TOPICS
from chargescape.owner_asks import DataExport
from foundation import clock
from foundation.pages import owner_action, owner_page, owner_read, refusals_as_messages, signed_in
from vehicles.models import CallCount, ChargeReading, Vehicle

SHOWN_READINGS = 12


@dataclass(frozen=True)
class CarReads:
    """How often one car was asked this month (UTC), and when it last said something."""

    car: Vehicle
    observed_at: datetime | None
    reads: int
    wakes: int
    pushes: int


@owner_read
def privacy(request: HttpRequest) -> HttpResponse:
    """Show agreements, what is read and when, what is kept for what, the copy to take along, and the way out."""
    owner, now = signed_in(request, User), clock.now()
    receipts = list(Consent.objects.filter(user=owner))
    exports = DataExport.objects.filter(user=owner, expires_at__gt=clock.wall()).defer("content")
    readings = ChargeReading.objects.filter(vehicle__owner=owner).select_related("vehicle")
    context = {
        "standing": [one for one in receipts if one.revoked_at is None],
        "receipts": receipts,
        "cars": _reads(owner, now=now),
        "readings": readings.order_by("-observed_at")[:SHOWN_READINGS],
        "topics": TOPICS,
        "kept_years": KEPT_YEARS[owner.country],
        "exports": [_shown(export) for export in exports[:3]],
        "is_export_due": any(export.state == DataExport.State.DUE for export in exports),
        "wish": open_wish(owner),
        "now": now,
        "wall": clock.wall(),
    }
    return render(request, "chargescape/privacy.html", context)


def _shown(export: DataExport) -> dict[str, Any]:
    is_ready = export.state == DataExport.State.READY
    href = reverse("export_download", args=[export_token(export)]) if is_ready else ""
    return {"row": export, "href": href, "size_kb": max(1, round(export.size_bytes / 1000))}


def _reads(owner: User, *, now: datetime) -> list[CarReads]:
    newest = ChargeReading.objects.filter(vehicle=OuterRef("pk")).order_by("-observed_at").values("observed_at")[:1]
    cars = Vehicle.objects.filter(owner=owner).exclude(state=Vehicle.State.OFFERED).annotate(seen_at=Subquery(newest))
    begins_at = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    counts = CallCount.objects.filter(
        scope=CallCount.Scope.CAR, subject__in=[str(car.pk) for car in cars], starts_at__gte=begins_at
    )
    sums = counts.order_by().values("subject").annotate(read=Sum("reads"), woken=Sum("wakes"), pushed=Sum("pushes"))
    by_car = {row["subject"]: row for row in sums}
    none = {"read": 0, "woken": 0, "pushed": 0}
    found = [(car, by_car.get(str(car.pk), none)) for car in cars]
    return [CarReads(car, car.seen_at, row["read"], row["woken"], row["pushed"]) for car, row in found]


@owner_action
def export_request(request: HttpRequest) -> HttpResponse:
    """Ask for a copy of everything; a small one is made at once, a large one by the next sweep."""
    owner, now = signed_in(request, User), clock.now()
    export = request_export(owner=owner, now=now)
    if is_quick(owner):
        make_due_exports(now=now, limit=1, only=export)
    return redirect(reverse("privacy") + "#copy")


@owner_page
def export_download(request: HttpRequest, token: str) -> HttpResponse:
    """Hand out the copy that a fresh link of its own owner names."""
    try:
        export, content = open_export(token)
        if export.user_id != signed_in(request, User).pk:
            raise UnableToExport(gettext("This copy belongs to somebody else."), code="not_yours")
    except UnableToExport as refusal:
        messages.error(request, refusal.reason)
        return redirect("privacy")
    return as_file(export, content)


def as_file(export: DataExport, content: bytes) -> HttpResponse:
    """Return the zip file as a download."""
    answer = HttpResponse(content, content_type="application/zip")
    name = f"chargescape-{export.requested_at:%Y-%m-%d}.zip"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@owner_page
def close(request: HttpRequest) -> HttpResponse:
    """Say what closing means, and close once the owner has typed their e-mail address."""
    owner, now = signed_in(request, User), clock.now()
    if request.method == "POST" and request.POST.get("email", "").strip().lower() != owner.email:
        messages.error(request, gettext("Type your e-mail address to confirm."))
    elif request.method == "POST":
        with refusals_as_messages(request):
            wish = request_closing(owner=owner, now=now)
            if wish.closed_at is not None:
                logout(request)
                return render(request, "chargescape/closed.html", {"kept_years": KEPT_YEARS[owner.country]})
            return redirect("close_account")
    waiting = open_wish(owner)
    context = {
        "owner": owner,
        "wish": waiting,
        "waiting_text": waiting_text(waiting) if waiting else "",
        "topics": TOPICS,
        "kept_years": KEPT_YEARS[owner.country],
        "now": now,
    }
    return render(request, "chargescape/close.html", context)


@owner_action
def keep(request: HttpRequest) -> HttpResponse:
    """Take the wish to be forgotten back while it waits."""
    success = gettext("Your account stays. Your cars were let go: link them again, and agree again, whenever you like.")
    with refusals_as_messages(request, success=success):
        withdraw_closing(owner=signed_in(request, User), now=clock.now())
    return redirect("privacy")
