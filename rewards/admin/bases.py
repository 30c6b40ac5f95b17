"""What the money's admin pages share: amounts as text, who may steer, the page that asks before anything happens."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.admin import ReadOnlyAdmin
from foundation.money import major_units
from foundation.refusals import Refusal


def money_text(amount_minor: int | None, currency: str) -> str:
    """Return an amount for a person; "-" where there is none."""
    if amount_minor is None or not currency:
        return "-" if amount_minor is None else str(amount_minor)
    return f"{major_units(amount_minor=amount_minor, currency=currency):,.2f} {currency}"


class SteerableAdmin(ReadOnlyAdmin):
    """Rows that stay as they are, with actions for those who may change payouts."""

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("rewards.change_payout")

    def confirm(
        self,
        request: HttpRequest,
        pk: int,
        *,
        verb: str,
        rows: Callable[[Any], dict[str, Any]],
        act: Callable[..., Any],
    ) -> HttpResponse:
        """Ask before `act` is called with the row and what was typed; show its refusal on the row's page."""
        if not self.has_steer_permission(request):
            raise PermissionDenied
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk])
        if request.method == "POST":
            try:
                act(row, request.POST)
            except Refusal as refusal:
                self.message_user(request, refusal.reason, messages.WARNING)
            else:
                self.log_change(request, row, verb.lower())
            return HttpResponseRedirect(back)
        context = {**self.admin_site.each_context(request), "title": verb, "verb": verb, "back": back, **rows(row)}
        return TemplateResponse(request, "admin/rewards/confirm.html", context)
