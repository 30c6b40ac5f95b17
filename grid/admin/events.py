"""Events: asked for in the utility's local time, approved by a second admin, cancelled with a reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin import AnyAdmin
from accounts.models import User
from foundation import clock
from grid.admin.bases import AnyModelChoice, AnyModelForm, RateField, local_text, rate_text
from grid.flows.events import events
from grid.models import EventParticipation, GridEvent, Program, ProgramTerms

WATTS_PER_KW = 1000
_MOMENT = forms.SplitDateTimeWidget(
    date_format="%Y-%m-%d", time_format="%H:%M", date_attrs={"type": "date"}, time_attrs={"type": "time"}
)


class TermsChoice(AnyModelChoice):
    """Names the program, its utility and the clock by which the event's times are read."""

    def label_from_instance(self, obj: Any) -> str:
        """Return what the list shows."""
        utility = obj.program.utility
        rate = rate_text(obj.reward_micros_per_kwh, utility.currency)
        return f"{obj.program} v{obj.version}, {utility}: {rate}; times in {utility.time_zone}"


class EventForm(AnyModelForm):
    """What a utility asks for. Times are the utility's local time; power is typed in kW."""

    terms = TermsChoice(label="Program and terms", queryset=ProgramTerms.objects.none())
    kind = forms.ChoiceField(choices=GridEvent.Kind.choices)
    starts_at = forms.SplitDateTimeField(label="Starts (local time of the utility)", widget=_MOMENT)
    ends_at = forms.SplitDateTimeField(label="Ends (local time of the utility)", widget=_MOMENT)
    target_kw = forms.IntegerField(label="Power (kW)", help_text="Asked of all cars together.")
    reward = RateField(
        label="Reward", required=False, help_text="Currency per kWh, if better than the terms. Empty: as in the terms."
    )
    announce_at = forms.SplitDateTimeField(
        label="Tell owners at (local time of the utility)",
        required=False,
        widget=_MOMENT,
        help_text="Empty: at once, or as soon as it is approved.",
    )

    class Meta:
        model = GridEvent
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = ProgramTerms.objects.exclude(program__status=Program.Status.CLOSED).select_related("program__utility")
        cast(TermsChoice, self.fields["terms"]).queryset = offered

    def clean(self) -> dict[str, Any]:
        """Turn local times into instants and let the flow say what is wrong, beside the field it is about."""
        values = self.cleaned_data
        terms: ProgramTerms | None = values.get("terms")
        if terms is not None:
            for name in ("starts_at", "ends_at", "announce_at"):
                if values.get(name) is not None:
                    values[name] = self._instant(name, terms.program.utility.zone)
        if not self.errors:
            try:
                events.check_event(**self.wishes, now=clock.now())
            except events.UnableToSaveEvent as refusal:
                self.add_error(_FIELDS.get(refusal.field or "", refusal.field), refusal.reason)
        return values

    @property
    def wishes(self) -> dict[str, Any]:
        """What was asked for, in the flow's words."""
        values = self.cleaned_data
        return {
            "terms": values["terms"],
            "kind": values["kind"],
            "starts_at": values["starts_at"],
            "ends_at": values["ends_at"],
            "target_w": values["target_kw"] * WATTS_PER_KW,
            "reward_micros_per_kwh": values.get("reward"),
            "announce_at": values.get("announce_at"),
        }

    def _instant(self, name: str, zone: ZoneInfo) -> datetime | None:
        """Read the typed clock time in the utility's zone; the night's hour that is missing or doubled is refused."""
        typed: datetime = self.cleaned_data[name].replace(tzinfo=None)
        first, second = (typed.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return first
        is_missing = first.astimezone(zone).replace(tzinfo=None) != typed
        says = "does not exist" if is_missing else "comes twice"
        self.add_error(name, f"This time {says} in {zone.key}: the clock changes then. Choose another.")
        return None

    def _post_clean(self) -> None:
        """Leave the row alone: the flow makes it."""


_FIELDS = {"target_w": "target_kw"}


@admin.register(GridEvent)
class GridEventAdmin(AnyAdmin):
    """Adds events; those that exist are shown, approved and cancelled, never edited."""

    list_display = ["program_name", "state", "starts", "ends", "kind", "target", "taking_part"]
    list_filter = ["state", "kind", "terms__program"]
    search_fields = ["public_id", "terms__program__name"]
    list_select_related = ["terms__program__utility"]
    date_hierarchy = "starts_at"
    shown = [
        "what_next",
        "public_id",
        "program",
        "kind",
        "starts",
        "ends",
        "target",
        "reward",
        "state",
        "announce_time",
        "taking_part",
        "created_by",
        "approved",
        "cancel_reason",
        "settled_at",
    ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        return super().get_form(request, obj, change, **kwargs) if change else EventForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(EventForm.base_fields) if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else self.shown

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a refusal that came up between checking and saving (another admin was faster)."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except events.UnableToSaveEvent as refusal:
            self.message_user(request, refusal.reason, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> GridEvent:  # noqa: FBT001 - Django's signature
        return events.create_event(**form.wishes, created_by=cast(User, request.user), now=clock.now())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - as above
        """The flow has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - as above
        """An event has no rows of its own to save."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:event_id>/approve/", view(self.approve_view), name="grid_gridevent_approve"),
            path("<int:event_id>/cancel/", view(self.cancel_view), name="grid_gridevent_cancel"),
            *super().get_urls(),
        ]

    def approve_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """Ask, then record the second admin's yes."""

        def approve(event: GridEvent) -> str:
            events.approve_event(event=event, approved_by=cast(User, request.user), now=clock.now())
            return "Approved."

        return self._confirm(request, event_id, act=approve, verb="Approve", has_reason=False)

    def cancel_view(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """Ask, then cancel, or end early an event that has begun."""

        def cancel(event: GridEvent) -> str:
            reason = request.POST.get("reason", "").strip()
            events.cancel_event(event=event, now=clock.now(), reason=reason)
            return f"Cancelled: {reason}" if reason else "Cancelled."

        return self._confirm(request, event_id, act=cancel, verb="Cancel", has_reason=True)

    def _confirm(
        self, request: HttpRequest, event_id: int, *, act: Callable[[GridEvent], str], verb: str, has_reason: bool
    ) -> HttpResponse:
        if not request.user.has_perm("grid.change_gridevent"):
            raise PermissionDenied
        event = GridEvent.objects.select_related("terms__program__utility").filter(pk=event_id).first()
        if event is None:
            raise Http404
        back = reverse("admin:grid_gridevent_change", args=[event.pk])
        if request.method == "POST":
            try:
                done = act(event)
            except events.UnableToSaveEvent as refusal:
                self.message_user(request, refusal.reason, messages.ERROR)
            else:
                self.log_change(request, event, done)
                self.message_user(request, done, messages.SUCCESS)
            return HttpResponseRedirect(back)
        rows = [(label, getattr(self, name)(event)) for name, label in _FACTS.items()]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} this event?",
            "opts": self.opts,
            "event": event,
            "rows": rows,
            "verb": verb,
            "has_reason": has_reason,
            "is_running": event.starts_at < clock.now(),
            "back": back,
        }
        return TemplateResponse(request, "admin/grid/gridevent/confirm.html", context)

    @admin.display(description="what next")
    def what_next(self, event: GridEvent) -> str:
        links = {"cancel": event.state in GridEvent.OPEN_STATES, "approve": event.state == GridEvent.State.DRAFT}
        urls = [(reverse(f"admin:grid_gridevent_{verb}", args=[event.pk]), verb) for verb in links if links[verb]]
        if not urls:
            return "-"
        approve = format_html('<a href="{}">Approve</a> · ', urls[-1][0]) if links["approve"] else ""
        return format_html('{}<a href="{}">Cancel</a>', approve, urls[0][0])

    @admin.display(description="program", ordering="terms__program__name")
    def program_name(self, event: GridEvent) -> str:
        return event.terms.program.name

    @admin.display(description="program")
    def program(self, event: GridEvent) -> str:
        return f"{event.terms.program} v{event.terms.version}, {event.terms.program.utility}"

    @admin.display(description="starts (local)", ordering="starts_at")
    def starts(self, event: GridEvent) -> str:
        return local_text(event.starts_at, event.terms.program.utility.zone)

    @admin.display(description="ends (local)", ordering="ends_at")
    def ends(self, event: GridEvent) -> str:
        return local_text(event.ends_at, event.terms.program.utility.zone)

    @admin.display(description="owners are told (local)", ordering="announce_at")
    def announce_time(self, event: GridEvent) -> str:
        return local_text(event.announced_at or event.announce_at, event.terms.program.utility.zone)

    @admin.display(description="power", ordering="target_w")
    def target(self, event: GridEvent) -> str:
        return f"{event.target_w / WATTS_PER_KW:,.0f} kW"

    @admin.display(description="reward", ordering="reward_micros_per_kwh")
    def reward(self, event: GridEvent) -> str:
        return rate_text(event.reward_micros_per_kwh, event.terms.program.utility.currency)

    @admin.display(description="taking part")
    def taking_part(self, event: GridEvent) -> str:
        parts = list(EventParticipation.objects.filter(event=event).values_list("state", "yields_to"))
        taking = sum(state == EventParticipation.State.IN for state, _ in parts)
        yielding = sum(other is not None for _, other in parts)
        told = f"{taking} of {len(parts)}"
        return f"{told}; {yielding} serve another program's event" if yielding else told

    @admin.display(description="approved by")
    def approved(self, event: GridEvent) -> str:
        approval = getattr(event, "approval", None)
        return "-" if approval is None else f"{approval.approved_by} on {approval.approved_at:%Y-%m-%d %H:%M %Z}"


_FACTS = {
    "program": "program",
    "starts": "starts (local)",
    "ends": "ends (local)",
    "target": "power",
    "reward": "reward",
    "taking_part": "taking part",
}
