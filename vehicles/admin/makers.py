"""Makers in the admin: how each fares, its budget, and the switch that stops it; calls by hour; wall boxes."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import AnyAdmin, ReadOnlyAdmin
from foundation import clock
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.flows.makers import UnableToSwitch, board, switch_maker, what_switching_off_does
from vehicles.models import CallCount, ChargeLimit, ForeignSign, HomeCharger, MakerSwitch

LIST = "admin:vehicles_makerswitch_changelist"


@admin.register(MakerSwitch)
class MakerSwitchAdmin(AnyAdmin):
    """How makers fare. Switching one off stops readings and holds, and releases every car of it within seconds."""

    list_display = ["maker", "is_on", "reason", "hourly_budget", "quiet_until"]
    fields = ["maker", "is_on", "reason", "hourly_budget", "quiet_until"]
    readonly_fields = ["maker", "is_on", "reason", "quiet_until"]
    change_list_template = "admin/vehicles/makerswitch/change_list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a switch comes into being when it is turned

    def has_delete_permission(self, request: HttpRequest, obj: MakerSwitch | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before a maker is stopped or let go on."""
        view = self.admin_site.admin_view(self.turn)
        return [path("turn/<slug:maker>/", view, name="vehicles_makerswitch_turn"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show every maker above the switches."""
        may_turn = self.has_change_permission(request)
        return super().changelist_view(
            request, {**(extra_context or {}), "board": board(now=clock.now()), "may_turn": may_turn}
        )

    def turn(self, request: HttpRequest, maker: str) -> HttpResponse:
        """Say what it means, ask for the reason, then switch the maker."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        row = MakerSwitch.objects.filter(maker=maker).first()
        if row is None and maker not in AUTOMAKERS:
            raise Http404
        is_on = row is not None and not row.is_on  # what it shall be
        if request.method == "POST":
            return self._turned(request, maker, is_on=is_on)
        verb = f"Switch {maker} {'on' if is_on else 'off'}"
        context = {
            **self.admin_site.each_context(request),
            "title": verb,
            "verb": verb,
            "turning_on": is_on,
            "concerned": what_switching_off_does(maker, now=clock.now()),
            "reason": row.reason if row else "",
            "back": reverse(LIST),
        }
        return TemplateResponse(request, "admin/vehicles/makerswitch/confirm.html", context)

    def _turned(self, request: HttpRequest, maker: str, *, is_on: bool) -> HttpResponse:
        if request.POST.get("to") != ("on" if is_on else "off"):
            self.message_user(request, "Somebody has switched it meanwhile. Look again.", messages.WARNING)
            return HttpResponseRedirect(reverse(LIST))
        try:
            switch = switch_maker(maker=maker, is_on=is_on, reason=request.POST.get("reason", ""), now=clock.now())
        except UnableToSwitch as refusal:
            self.message_user(request, refusal.reason, messages.WARNING)
            return HttpResponseRedirect(request.path)
        self.log_change(request, switch, f"switched {'on' if is_on else 'off'}: {switch.reason}")
        self.message_user(request, f"{maker} is {'on' if is_on else 'off'} now.", messages.SUCCESS)
        return HttpResponseRedirect(reverse(LIST))


@admin.register(CallCount)
class CallCountAdmin(ReadOnlyAdmin):
    """Calls by maker and hour, account and day, car and day."""

    list_display = [
        "starts_at",
        "scope",
        "subject",
        "reads",
        "wakes",
        "commands",
        "releases",
        "refreshes",
        "pushes",
        "failures",
    ]
    list_filter = ["scope"]
    search_fields = ["subject"]
    date_hierarchy = "starts_at"
    show_full_result_count = False


@admin.register(HomeCharger)
class HomeChargerAdmin(ReadOnlyAdmin):
    """The maker's number of a box is never shown."""

    list_display = ["public_id", "name", "link", "serves", "state", "is_used", "is_car_connected", "observed_at"]
    list_filter = ["state", "is_used", "failure"]
    search_fields = ["public_id", "link__owner__email", "serves__public_id"]
    list_select_related = ["link", "serves"]
    fields = [
        "public_id",
        "link",
        "name",
        "serves",
        "state",
        "capabilities",
        "max_discharge_w",
        "is_used",
        "is_car_connected",
        "observed_at",
        "failure",
        "created_at",
    ]


@admin.register(ForeignSign)
class ForeignSignAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "kind", "seen_at", "last_seen_at", "readings", "over_at"]
    list_filter = ["kind", ("over_at", admin.EmptyFieldListFilter)]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]


@admin.register(ChargeLimit)
class ChargeLimitAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "wanted_percent", "before_percent", "asked", "asked_at"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]
