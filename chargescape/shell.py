"""What stands around every page: tabs, unread notices, and in the demo the sandbox's strip."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import Notice
from foundation import clock

_TABS = (
    ("dashboard", "Tonight", "moon", ("/tonight/", "/welcome/")),
    ("cars", "Cars", "car", ("/cars/", "/home/")),
    ("events", "Events", "calendar", ("/events/",)),
    ("earnings", "Earnings", "coin", ("/earnings/",)),
    ("payouts", "Payouts", "bank", ("/payouts/",)),
)
_ACCOUNT_TABS = (
    ("account", "You"),
    ("consents", "Consents"),
    ("account_email", "E-mail"),
    ("account_change_password", "Password"),
    ("mfa_index", "Two-step sign-in"),
    ("usersessions_list", "Sessions"),
)


@dataclass(frozen=True)
class Tab:
    """One entry of a navigation."""

    href: str
    label: str
    icon: str
    is_current: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of `base.html`; for strangers only what needs no database."""
    around: dict[str, Any] = {"path": request.path, "languages": settings.LANGUAGES}
    if settings.DEMO_SANDBOX_URL:
        around |= {"sandbox_url": settings.DEMO_SANDBOX_URL, "now": clock.now(), "clock_rate": clock.rate()}
        around["zone"] = getattr(getattr(request, "user", None), "time_zone", "UTC")
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        around["tabs"] = [
            Tab(reverse(name), label, icon, request.path.startswith(prefixes)) for name, label, icon, prefixes in _TABS
        ]
        around["account_tabs"] = [_account_tab(name, label, request.path) for name, label in _ACCOUNT_TABS]
        # Counted when the header asks, so that answers without a page (redirects, parts) do not pay for it.
        unread = Notice.objects.shown_to(user).unread()
        around["unread_notices"] = SimpleLazyObject(unread.count)
    return {"shell": around}


def _account_tab(name: str, label: str, path: str) -> Tab:
    href = reverse(name)
    is_current = path == href if name == "account" else path.startswith(href)
    return Tab(href, label, "", is_current)
