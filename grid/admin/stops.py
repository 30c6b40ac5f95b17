"""The kill switch in the admin: one page asks why, a second click stops everything; lifting takes two people."""

from typing import cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import ReadOnlyAdmin
from accounts.models import User
from foundation import clock
from grid.flows.events.stopping import stop_all
from grid.models import EventProgress, Feeder
from vehicles.flows.stopping import UnableToStop, lift_switch, stop_in_force
from vehicles.models import Command, Heartbeat, StopOrder, SwitchLimit

LIST = "admin:vehicles_stoporder_changelist"


@admin.register(StopOrder)
class StopOrderAdmin(ReadOnlyAdmin):
    """Every time that everything was stopped, why, and who lifted it."""

    list_display = ["made_at", "reason", "made_by", "lift_asked_by", "lifted_by", "lifted_at"]
    list_select_related = ["made_by", "lift_asked_by", "lifted_by"]
    change_list_template = "admin/vehicles/stoporder/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before everything is stopped, or the stop lifted."""
        view = self.admin_site.admin_view(self.turn)
        return [path("turn/", view, name="vehicles_stoporder_turn"), *super().get_urls()]

    def turn(self, request: HttpRequest) -> HttpResponse:
        """Say what it means, ask why, then stop everything; or ask to lift the stop that stands."""
        if not request.user.has_perm("vehicles.add_stoporder"):
            raise PermissionDenied
        order = stop_in_force()
        if request.method == "POST":
            return self._turned(request, order)
        context = {
            **self.admin_site.each_context(request),
            "title": "Lift the stop" if order else "Stop everything",
            "order": order,
            "held": Command.objects.in_force(clock.now()).values("vehicle").distinct().count(),
            "back": reverse(LIST),
        }
        return TemplateResponse(request, "admin/vehicles/stoporder/confirm.html", context)

    def _turned(self, request: HttpRequest, order: StopOrder | None) -> HttpResponse:
        person = cast(User, request.user)
        if request.POST.get("to") != ("go" if order else "stop"):
            self.message_user(request, "Somebody was faster. Look again.", messages.WARNING)
            return HttpResponseRedirect(reverse(LIST))
        try:
            if order is None:
                order = stop_all(reason=request.POST.get("reason", ""), made_by=person, now=clock.now())
                done = f"Everything is stopped: {order.reason}"
            else:
                order = lift_switch(order=order, by=person, now=clock.now())
                done = "Lifted." if order.lifted_at else "A second person must lift it, too."
        except UnableToStop as refusal:
            self.message_user(request, refusal.reason, messages.ERROR)
            return HttpResponseRedirect(request.path)
        self.log_change(request, order, done)
        self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse(LIST))


@admin.register(SwitchLimit)
class SwitchLimitAdmin(ReadOnlyAdmin):
    list_display = ["group", "limit_w", "free_at"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ["kind", "place", "beat_at", "started_at", "failures"]


@admin.register(EventProgress)
class EventProgressAdmin(ReadOnlyAdmin):
    """What each look at a running event found."""

    list_display = [
        "event",
        "at",
        "asked_w",
        "planned_w",
        "measured_w",
        "unknown_w",
        "moved_w",
        "missing_w",
        "called_cars",
        "unknown_cars",
        "straggling_cars",
        "reserve_cars",
    ]
    list_select_related = ["event"]
    search_fields = ["event__public_id"]
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(Feeder)
class FeederAdmin(ReadOnlyAdmin):
    """As utilities supplied them (`manage.py load_feeders`)."""

    list_display = ["utility", "name", "kind", "cap_w", "load_w", "over_since", "looked_at"]
    list_filter = ["utility", "kind"]
    search_fields = ["name"]
    list_select_related = ["utility"]
