"""What one click from a notice does: the action's name leads to a flow of the room it belongs to."""

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.flows import notice_settings
from accounts.flows.acting import STOPS, Click, UnableToAct, click_on, is_used, offered_actions, read_token, used_once
from accounts.flows.notices import mark_read, read_aloud
from accounts.models import Notice, User
from accounts.notice_actions import ACTIONS, CHARGE_NOW, OPT_OUT, RELINK, STOP_DIGEST, STOP_EMAIL
from foundation import clock
from foundation.pages import owner_action, refusals_as_messages, signed_in
from foundation.refusals import Refusal
from grid.flows.events.taking_part import opt_out
from grid.models import EventParticipation
from vehicles.flows.preferences import charge_now
from vehicles.models import Vehicle


def act(*, click: Click, now: datetime) -> None:
    """Do what the click asks for, once, and count the notice as read; a refusal of the flow leaves the click unused.

    Raises UnableToAct for a click that was used, or that only its owner can make when signed in.
    """
    if click.action not in _RUNS:
        raise UnableToAct(gettext("Please sign in for this."), code="sign_in")
    if click.notice is not None and click.action not in STOPS:
        _check_is_offered(click, now)
    with used_once(click, now=now):
        _RUNS[click.action](click, now)
        if click.notice is not None:
            mark_read(notice=click.notice, now=now)


def _check_is_offered(click: Click, now: datetime) -> None:
    assert click.notice is not None
    if click.action not in offered_actions(click.notice, now=now):
        raise UnableToAct(gettext("It is too late for this."), code="too_late")


def _leave_event_out(click: Click, now: datetime) -> None:
    parts = EventParticipation.objects.filter(
        event__public_id=_param(click, "event"),
        enrollment__vehicle__owner=click.user,
        state=EventParticipation.State.IN,
    )
    mine = list(parts[:50])
    if not mine:
        raise UnableToAct(gettext("Your cars take no part in this event."), code="not_taking_part")
    for part in mine:
        opt_out(participation=part, now=now)


def _charge_now(click: Click, now: datetime) -> None:
    vehicle = Vehicle.objects.filter(owner=click.user, public_id=_param(click, "vehicle_id")).first()
    if vehicle is None:
        raise UnableToAct(gettext("This car is no longer linked."), code="gone")
    charge_now(vehicle=vehicle, now=now)


def _stop_email(click: Click, now: datetime) -> None:
    del now
    assert click.notice is not None
    notice_settings.stop_emails(user=click.user, kinds=[click.notice.kind])


def _stop_digest(click: Click, now: datetime) -> None:
    del now
    notice_settings.stop_digest(user=click.user)


def _param(click: Click, name: str) -> str:
    assert click.notice is not None
    return str(click.notice.params[name])


_RUNS: dict[str, Callable[[Click, datetime], None]] = {
    OPT_OUT: _leave_event_out,
    CHARGE_NOW: _charge_now,
    STOP_EMAIL: _stop_email,
    STOP_DIGEST: _stop_digest,
}


@csrf_exempt  # the signed token is what allows it: a mailbox's one-click POST (RFC 8058) has neither cookie nor form
@require_http_methods(["GET", "HEAD", "POST"])
def notice_act(request: HttpRequest, token: str) -> HttpResponse:
    """Ask before anything happens (scanners of mail follow every link), and do it on POST."""
    try:
        click = read_token(token)
    except UnableToAct as refusal:
        return _page(request, {"refusal": refusal.reason}, status=410)
    with timezone.override(click.user.zone), translation.override(_language(request, click.user)):
        if click.action == RELINK:
            return _relink(request, click)
        context = {"action": ACTIONS[click.action], "shown": _shown(click), "is_stop": click.action in STOPS}
        if request.method != "POST":
            return _page(request, {**context, "is_done": is_used(click), "ask": not is_used(click)})
        try:
            act(click=click, now=clock.now())
        except Refusal as refusal:
            # Asked to stop twice, it has stopped: a mailbox that repeats itself shall not report a failure.
            if refusal.reason_code == "used" and click.action in STOPS:
                return _page(request, {**context, "is_done": True})
            return _page(request, {**context, "refusal": refusal.reason}, status=409)
        return _page(request, {**context, "is_done": True})


def _language(request: HttpRequest, user: User) -> str:
    return user.language or translation.get_language_from_request(request)


def _shown(click: Click) -> object:
    return read_aloud(click.notice, reader=click.user) if click.notice else None


def _page(request: HttpRequest, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    answer = render(request, "accounts/notice_act.html", context, status=status)
    answer["Cache-Control"] = "no-store, private"
    answer["X-Robots-Tag"] = "noindex"
    answer["Referrer-Policy"] = "no-referrer"  # the address is the permission
    return answer


def _relink(request: HttpRequest, click: Click) -> HttpResponse:
    """Lead the owner, signed in, to the button that links again: a maker's sign-in belongs to one browser session."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.user != click.user:
        refusal = gettext("You are signed in with another account. Sign out there, then open this link again.")
        return _page(request, {"action": ACTIONS[RELINK], "refusal": refusal}, status=403)
    assert click.notice is not None
    context = {"action": ACTIONS[RELINK], "shown": _shown(click), "maker": click.notice.params.get("maker_slug", "")}
    return _page(request, {**context, "relink_url": reverse("link_begin")})


@owner_action
def notice_do(request: HttpRequest, notice: str) -> HttpResponse:
    """Do what one click from a notice does, for the owner who is signed in."""
    found = get_object_or_404(Notice.objects.select_related("user"), user=signed_in(request, User), public_id=notice)
    action = request.POST.get("action", "")
    done = str(ACTIONS[action].done) if action in ACTIONS else ""
    with refusals_as_messages(request, success=done):
        act(click=click_on(found, action), now=clock.now())
    return redirect("notices")
