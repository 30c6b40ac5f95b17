"""What keeps others out, on one page: password, second factors, passkeys, and where the owner is signed in."""

from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from accounts.devices import device_name
from accounts.models import User
from foundation import clock
from foundation.pages import owner_action, owner_read, signed_in

SHOWN_SESSIONS = 50


@dataclass(frozen=True)
class SignedIn:
    """One place where the owner is signed in. Times are wall time."""

    key: int
    device: str
    address: str
    since_at: datetime
    is_current: bool


@owner_read
def security(request: HttpRequest) -> HttpResponse:
    """Show how the owner signs in and where, with everything to change about it."""
    user = signed_in(request, User)
    factors = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    codes = next((one.wrap() for one in factors if one.type == Authenticator.Type.RECOVERY_CODES), None)
    context = {
        "totp": next((one for one in factors if one.type == Authenticator.Type.TOTP), None),
        "passkeys": [one.wrap().name for one in factors if one.type == Authenticator.Type.WEBAUTHN],
        "has_codes": codes is not None,
        "codes_left": len(codes.get_unused_codes()) if codes else 0,
        "sessions": _sessions(user, request.session.session_key or ""),
        "now": clock.wall(),
    }
    return render(request, "accounts/security.html", context)


def _sessions(user: User, current_key: str) -> list[SignedIn]:
    rows = list(UserSession.objects.filter(user=user).order_by("-created_at")[:SHOWN_SESSIONS])
    keys = [row.session_key for row in rows]
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=clock.wall()).values_list("session_key", flat=True)
    )
    found = [
        SignedIn(row.pk, device_name(row.user_agent), row.ip, row.created_at, row.session_key == current_key)
        for row in rows
        if row.session_key in alive
    ]
    return sorted(found, key=lambda one: not one.is_current)


@owner_action
def end_session(request: HttpRequest) -> HttpResponse:
    """Sign out one place, or every place but this one."""
    rows = UserSession.objects.filter(user=signed_in(request, User))
    wanted = request.POST.get("session", "")
    if wanted == "others":
        chosen = list(rows.exclude(session_key=request.session.session_key))
    else:
        chosen = list(rows.filter(pk=int(wanted))) if wanted.isdecimal() and len(wanted) < 16 else []
    if not chosen:
        messages.error(request, gettext("You are not signed in there any more."))
        return redirect("security")
    is_here = any(one.session_key == request.session.session_key for one in chosen)
    end_sessions(request, chosen)
    if is_here:
        return redirect("home_page")
    messages.success(request, gettext("Signed out there."))
    return redirect("security")
