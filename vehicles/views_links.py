"""Pages on which an owner gives access at a maker: by its sign-in, by a code, from an app; and takes it back."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from foundation import clock
from foundation.pages import owner_action, owner_page, owner_read, refusals_as_messages, signed_in
from vehicles import wording
from vehicles.abilities import abilities
from vehicles.addresses import callback_url
from vehicles.automakers.base import LinkKind
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows.attempts import REASONS, UnableToLink, reason_text
from vehicles.flows.cars import FIRST_DEPARTURE, controlling_elsewhere
from vehicles.flows.device_codes import begin_device_link, poll_attempt
from vehicles.flows.links import begin_link, choose_vehicles, complete_link, revoke_link
from vehicles.flows.tickets import hand_back, open_ticket
from vehicles.models import ChargePreference, HomeCharger, LinkAttempt, Vehicle, VehicleLink
from vehicles.qr import qr_data_uri
from vehicles.views import maker_name, makers_on_offer

BROWSER_COOKIE = "chargescape_link"  # shows that the browser which comes back is the one that was sent out
COOKIE_SECONDS = 1200
IN_WELCOME = "in_welcome"  # in the session: who links in the welcome goes on there


@owner_page
def link_begin(request: HttpRequest) -> HttpResponse:
    """Offer the makers; when one is chosen, send the owner to its sign-in or show the code to type there."""
    owner = signed_in(request, User)
    if request.method != "POST":
        links = VehicleLink.objects.filter(owner=owner).exclude(state=VehicleLink.State.REVOKED)
        linked = set(links.values_list("maker", flat=True))
        return render(request, "vehicles/link.html", {"makers": makers_on_offer(linked)})
    maker = request.POST.get("maker", "")
    common: dict[str, Any] = {
        "owner": owner,
        "maker": maker,
        "session_key": request.session.session_key or "",
        "now": clock.now(),
    }
    try:
        if maker in AUTOMAKERS and AUTOMAKERS[maker].link_kind == LinkKind.DEVICE_CODE:
            return redirect("link_wait", begin_device_link(**common).public_id)
        return HttpResponseRedirect(begin_link(redirect_uri=callback_url(maker), **common))
    except UnableToLink as refusal:
        messages.error(request, refusal.reason)
        return _to_try_again(request)


@owner_read
def link_wait(request: HttpRequest, attempt: UUID) -> HttpResponse:
    """Show the code to type at the maker, and go on by itself once it was typed."""
    mine = LinkAttempt.objects.filter(owner=signed_in(request, User), kind=LinkKind.DEVICE_CODE)
    found = get_object_or_404(mine.select_related("link", "owner"), public_id=attempt)
    if not found.is_begun_in(request.session.session_key or ""):
        messages.error(request, str(REASONS["link_state_foreign"]))
        return redirect("cars")
    found = poll_attempt(attempt=found, now=clock.now())
    is_part = bool(getattr(request, "htmx", False))
    if found.link is not None:
        target = _say_linked(request, found.link)
        return HttpResponseClientRedirect(target) if is_part else HttpResponseRedirect(target)
    if found.is_over and is_part:
        return HttpResponseClientRedirect(request.path)
    context = {
        "attempt": found,
        "maker": found.maker,
        "maker_name": maker_name(found.maker),
        "reason": reason_text(found.failure) if found.is_over else "",
        "minutes_left": max(1, int((found.expires_at - clock.wall()).total_seconds() // 60)),
    }
    if is_part:
        return render(request, "vehicles/_link_waiting.html", context)
    if not found.is_over:
        context["qr"] = qr_data_uri(found.verification_url)
    return render(request, "vehicles/link_wait.html", context)


def _say_linked(request: HttpRequest, link: VehicleLink) -> str:
    """Tell the owner that the account is linked and return where they go on."""
    name = maker_name(link.maker)
    if link.chargers.exclude(state=HomeCharger.State.UNLINKED).exists():
        messages.success(
            request, gettext("Your {name} is linked. Say on your car's page which car it serves.").format(name=name)
        )
        return reverse("cars")
    if not link.vehicles.exclude(state=Vehicle.State.UNLINKED).exists():
        messages.success(
            request,
            gettext("Your {name} account is linked. {name} lists its cars later; we tell you then.").format(name=name),
        )
        return reverse("cars")
    messages.success(request, gettext("Your {name} account is linked.").format(name=name))
    if link.vehicles.filter(state=Vehicle.State.OFFERED).exists():
        return reverse("choose_vehicles", args=[link.public_id])
    return reverse("cars")  # linked again: the cars are the same and go on as before


@require_safe
def link_open(request: HttpRequest) -> HttpResponse:
    """Spend an app's ticket and go to the maker. Nobody is signed in by it, and nobody needs to be."""
    try:
        opened = open_ticket(
            secret=request.GET.get("ticket", "")[:100],
            redirect_uri_of={maker: callback_url(maker) for maker in AUTOMAKERS},
            now=clock.now(),
        )
    except UnableToLink as refusal:
        return _trouble(request, refusal)
    answer = HttpResponseRedirect(opened.url)
    answer.set_cookie(
        BROWSER_COOKIE,
        opened.browser_secret,
        max_age=COOKIE_SECONDS,
        path="/cars/link/callback/",
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )
    answer["Cache-Control"] = "no-store, private"
    return answer


def _trouble(request: HttpRequest, refusal: UnableToLink) -> HttpResponse:
    answer = render(request, "vehicles/link_trouble.html", {"reason": refusal.reason}, status=410)
    answer["Cache-Control"] = "no-store, private"
    return answer


@require_safe
def link_callback(request: HttpRequest, maker: str) -> HttpResponseBase:
    """Take back whoever comes from the maker: an app's owner to the app, a signed-in owner to their cars."""
    try:
        back = hand_back(
            maker=maker,
            params=request.GET.dict(),
            browser_secret=request.COOKIES.get(BROWSER_COOKIE, ""),
            now=clock.now(),
        )
    except UnableToLink as refusal:
        return _trouble(request, refusal)
    if not back:
        return _complete_here(request, maker)
    answer = HttpResponseRedirect(back)
    answer.delete_cookie(BROWSER_COOKIE, path="/cars/link/callback/")
    answer["Cache-Control"] = "no-store, private"
    return answer


@owner_read
def _complete_here(request: HttpRequest, maker: str) -> HttpResponse:
    try:
        link = complete_link(
            owner=signed_in(request, User),
            maker=maker,
            session_key=request.session.session_key or "",
            params=request.GET.dict(),
            redirect_uri=callback_url(maker),
            now=clock.now(),
        )
    except UnableToLink as refusal:
        messages.error(request, refusal.reason)
        return _to_try_again(request)
    return HttpResponseRedirect(_say_linked(request, link))


def _to_try_again(request: HttpRequest) -> HttpResponse:
    """Lead whom a maker or we refused to where makers are offered: the welcome's step where they came from it."""
    return redirect("welcome_step", "car") if request.session.get(IN_WELCOME) else redirect("cars")


@owner_page
def choose(request: HttpRequest, link: UUID) -> HttpResponse:
    """Let the owner tick which of the maker's cars take part."""
    found = get_object_or_404(
        VehicleLink.objects.exclude(state=VehicleLink.State.REVOKED), public_id=link, owner=signed_in(request, User)
    )
    offered = list(found.vehicles.filter(state=Vehicle.State.OFFERED))
    if request.method == "POST":
        chosen = [row.public_id for row in offered if str(row.public_id) in request.POST.getlist("vehicles")]
        try:
            vehicles = choose_vehicles(link=found, vehicle_ids=chosen, now=clock.now())
        except UnableToLink as refusal:
            messages.error(request, refusal.reason)
            return redirect("choose_vehicles", found.public_id)
        if vehicles and request.session.pop(IN_WELCOME, None):
            said = ngettext("Your car takes part now.", "Your cars take part now.", len(vehicles))
            messages.success(request, said)
            return redirect("onboarding")
        if vehicles:
            messages.success(request, gettext("Your car takes part now. These are our defaults; change what you like."))
            return redirect("car_preferences", vehicles[0].public_id)
        return redirect("cars")
    rows = [
        {
            "vehicle": row,
            "abilities": abilities(row.own),
            "is_steered_elsewhere": bool(row.vin_hash) and controlling_elsewhere(row) is not None,
        }
        for row in offered
    ]
    context = {
        "offered": rows,
        "needs_relink": any(key in wording.RELINK_REFUSALS for row in offered for key in row.own.refusals),
        "maker": found.maker,
        "maker_name": maker_name(found.maker),
        "cars_url": reverse("cars"),
        "usual": ChargePreference(),
        "leaves_at": FIRST_DEPARTURE,
    }
    return render(request, "vehicles/choose.html", context)


@owner_action
def unlink(request: HttpRequest, link: UUID) -> HttpResponse:
    """Give the maker's permission back and let its cars go."""
    mine = VehicleLink.objects.filter(owner=signed_in(request, User)).exclude(state=VehicleLink.State.REVOKED)
    found = get_object_or_404(mine, public_id=link)
    with refusals_as_messages(request, success=gettext("Unlinked. Your cars charge as if we were not there.")):
        revoke_link(link=found, now=clock.now())
    return redirect("cars")
