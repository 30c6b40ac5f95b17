"""Who may enter a utility's desk: its own people with a second factor, and staff whose role lets them look."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from foundation import clock
from foundation.pages import AT_DESK, owner_page, owner_read, signed_in
from grid.flows.desk.membership import member_of
from grid.models import Utility, UtilityMember

Args = ParamSpec("Args")
MAY_LOOK = "grid.view_groupsettlement"
STAFF = "staff"


@dataclass(frozen=True)
class Desk:
    """One utility's desk as one person sees it. `role` is the membership's, or STAFF for a look from our side."""

    utility: Utility
    person: User
    role: str

    @property
    def can_review(self) -> bool:
        """Whether the person may approve results and object to them."""
        return self.role in {UtilityMember.Role.REVIEWER, UtilityMember.Role.LEAD}

    @property
    def can_rehearse(self) -> bool:
        """Whether the person may try programs on recorded days."""
        return self.role in {UtilityMember.Role.LEAD, STAFF}


DeskView = Callable[Concatenate[HttpRequest, Desk, Args], HttpResponseBase]
_TABS = (
    ("desk_overview", _("Overview")),
    ("desk_events", _("Events")),
    ("desk_programs", _("Programs")),
    ("desk_nominations", _("Nominations")),
    ("desk_invoices", _("Invoices")),
)
_REHEARSALS = ("desk_rehearsals", _("Rehearsals"))


def desk_read(view: DeskView[Args]) -> Callable[..., HttpResponseBase]:
    """Wrap a page of the desk that only reads."""
    return require_safe(_desk_page(view))


def desk_action(view: DeskView[Args]) -> Callable[..., HttpResponseBase]:
    """Wrap an action at the desk: POST alone changes anything."""
    return require_POST(_desk_page(view))


def desk_form(view: DeskView[Args]) -> Callable[..., HttpResponseBase]:
    """Wrap a page with a form: it is shown by GET and sent by POST."""
    return _desk_page(view)


def _desk_page(view: DeskView[Args]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def page(request: HttpRequest, /, utility: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
        desk = open_desk(signed_in(request, User), utility)
        if lacks_second_factor(desk.person):
            messages.warning(request, gettext("This desk opens with a second factor. Set one up here; then come back."))
            return redirect("mfa_activate_totp")
        if desk.role != STAFF and request.session.get(AT_DESK) != desk.utility.slug:
            request.session[AT_DESK] = desk.utility.slug  # from then on the tabs are the desk's
        with timezone.override(desk.utility.zone):
            return view(request, desk, *args, **kwargs)

    return owner_page(page)


def open_desk(person: User, slug: str) -> Desk:
    """Return the desk of the utility named; for anybody who has no business there it does not exist (Http404)."""
    member = member_of(person)
    if member is not None:
        if member.utility.slug == slug:
            return Desk(member.utility, person, member.role)
        raise Http404("another utility")
    utility = Utility.objects.filter(slug=slug).first() if _may_look(person) else None
    if utility is None:
        raise Http404("no desk")
    return Desk(utility, person, STAFF)


def lacks_second_factor(person: User) -> bool:
    """Say whether the person has yet to set up a second factor, where the installation asks for one."""
    return bool(settings.ADMIN_NEEDS_SECOND_FACTOR and not is_mfa_enabled(person))


def _may_look(person: User) -> bool:
    return person.is_staff and person.has_perm(MAY_LOOK)


@owner_read
def desk(request: HttpRequest) -> HttpResponse:
    """Lead the utility's people to their desk; staff choose which one to look at."""
    person = signed_in(request, User)
    member = member_of(person)
    if member is not None:
        return redirect("desk_overview", member.utility.slug)
    if not _may_look(person):
        raise Http404("no desk")
    return render(request, "grid/desk/choose.html", {"utilities": Utility.objects.order_by("name")[:500]})


def show(
    request: HttpRequest, desk: Desk, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page of the desk with what every one of them shows."""
    tabs = [*_TABS, _REHEARSALS] if desk.can_rehearse else _TABS
    around = {
        "desk": desk,
        "utility": desk.utility,
        "currency": desk.utility.currency,
        "now": clock.now(),
        "desk_tabs": [_tab(request, desk, name, label) for name, label in tabs],
    }
    return render(request, f"grid/desk/{template}.html", {**around, **context}, status=status)


def _tab(request: HttpRequest, desk: Desk, name: str, label: Any) -> dict[str, Any]:
    href = reverse(name, args=[desk.utility.slug])
    is_current = request.path == href if name == "desk_overview" else request.path.startswith(href)
    return {"href": href, "label": label, "is_current": is_current}
