"""The admin's door: staff who sign in with a second factor; and the page on which they see everything at once."""

from functools import partial
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from chargescape.staff.operations import look_around
from foundation import clock


class StaffSite(admin.AdminSite):
    """Django's admin behind allauth's sign-in, for staff whose account has a second factor."""

    site_header = "ChargeScape administration"
    site_title = "ChargeScape"
    index_title = "Administration"
    index_template = "admin/staff_index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in, and nobody without a second factor where the installation asks for one."""
        return super().has_permission(request) and not _lacks_second_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Have allauth sign people in; staff without a second factor set one up first."""
        if super().has_permission(request) and _lacks_second_factor(request):
            messages.warning(request, "Staff sign in with a second factor. Set one up here; then open the admin again.")
            return HttpResponseRedirect(reverse("mfa_activate_totp"))
        answer: HttpResponse = secure_admin_login(partial(super().login, extra_context=extra_context))(request)
        return answer

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the operations page."""
        page = path("operations/", self.admin_view(self.operations), name="operations")
        return [page, *super().get_urls()]

    def operations(self, request: HttpRequest) -> HttpResponse:
        """Show the fleet, events, queues, links, payouts and alerts, as far as the reader's rights go."""
        board = look_around(may_see=request.user.has_perm, now=clock.now(), wall=clock.wall(), rate=clock.rate())
        context = {**self.each_context(request), "title": "Operations", "board": board}
        answer = TemplateResponse(request, "admin/operations.html", context)
        answer["Cache-Control"] = "no-store, private"
        return answer


def _lacks_second_factor(request: HttpRequest) -> bool:
    return settings.ADMIN_NEEDS_SECOND_FACTOR and not is_mfa_enabled(request.user)
