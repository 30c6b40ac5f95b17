"""What stands around every page: tabs, unread notices, and in the demo the sandbox's strip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from accounts.models import Notice
from chargescape.welcome import SKIPPED, checklist_of
from foundation import clock
from foundation.pages import AT_DESK
from foundation.statements import OnceValues

# Address, label, icon, and below which paths the tab is the current one.
_TABS = (
    ("dashboard", _("Tonight"), "moon", ("/tonight/", "/welcome/")),
    ("cars", _("Cars"), "car", ("/cars/",)),
    ("events", _("Events"), "calendar", ("/events/",)),
    ("earnings", _("Earnings"), "coin", ("/earnings/", "/payouts/")),
    ("carbon", _("Carbon"), "leaf", ("/carbon/",)),
)
_DESK_TABS = (
    ("desk_overview", _("Overview"), "bolt"),
    ("desk_events", _("Events"), "calendar"),
    ("desk_programs", _("Programs"), "list"),
    ("desk_nominations", _("Nominations"), "clock"),
    ("desk_invoices", _("Invoices"), "coin"),
)
_MONEY_TABS = (
    ("earnings", _("Earnings"), ("/earnings/",)),
    ("payouts", _("Payouts"), ("/payouts/",)),
)
_ACCOUNT_TABS = (
    ("account", _("You"), ()),
    ("site", _("Home"), ("/home/",)),
    ("notice_settings", _("Notices"), ("/notices/settings/",)),
    ("privacy", _("Privacy"), ("/privacy/", "/consents/", "/account/close/")),
    ("security", _("Security"), ("/security/", "/account/")),
)


_UNREAD = OnceValues(
    lambda owner, _at: (
        Notice.objects.shown_to(owner).unread().order_by().values_list("user").annotate(count=Count("pk"))
    )
)


@dataclass(frozen=True)
class Tab:
    """One entry of a navigation."""

    href: str
    label: str | Promise
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
        around["tabs"] = _desk_tabs(request) or [
            Tab(reverse(name), label, icon, request.path.startswith(prefixes)) for name, label, icon, prefixes in _TABS
        ]
        around["account_tabs"] = _sub_tabs(_ACCOUNT_TABS, request.path)
        around["money_tabs"] = _sub_tabs(_MONEY_TABS, request.path)
        # Asked for by the pages of the welcome alone.
        around["welcome"] = SimpleLazyObject(lambda: checklist_of(user, skipped=request.session.get(SKIPPED, [])))
        # Counted when the header asks, so that answers without a page (redirects, parts) do not pay for it.
        around["unread_notices"] = SimpleLazyObject(lambda: sum(count for _user, count in _UNREAD.of(user.pk)))
    # What is rendered to be kept carries no token of its own: `foundation.keeping` puts each answer's into its place.
    stand_in = getattr(request, "csrf_stand_in", None)
    return {"shell": around} | ({"csrf_token": stand_in} if stand_in else {})


def _desk_tabs(request: HttpRequest) -> list[Tab]:
    """Return the entries of a utility's desk for whoever works at one; nothing for owners."""
    slug = getattr(request, "session", {}).get(AT_DESK)
    if not slug:
        return []
    hrefs = [reverse(name, args=[slug]) for name, _label, _icon in _DESK_TABS]
    best = max((href for href in hrefs if request.path.startswith(href)), key=len, default="")
    if best == hrefs[0] != request.path:  # the desk itself stands before everything
        best = ""
    return [Tab(href, label, icon, href == best) for href, (_name, label, icon) in zip(hrefs, _DESK_TABS, strict=True)]


def _sub_tabs(tabs: Sequence[tuple[str, Promise, tuple[str, ...]]], path: str) -> list[Tab]:
    """Return the entries of a second navigation; the first that fits the path is the current one."""
    hrefs = [reverse(name) for name, _label, _below in tabs]
    fits = [path == href or path.startswith(below) for href, (_name, _label, below) in zip(hrefs, tabs, strict=True)]
    current = fits.index(True) if True in fits else None
    return [
        Tab(href, label, "", number == current)
        for number, (href, (_name, label, _below)) in enumerate(zip(hrefs, tabs, strict=True))
    ]
