"""Programs and their terms: typed in the words of a tariff sheet or loaded from a file; what events used stays."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin import AnyAdmin, AnyInline, ReadOnlyInline
from foundation import clock
from foundation.formats import reader_in
from grid.admin.bases import AnyModelForm, RateField, rate_text
from grid.flows.programs.catalogue import UnableToLoad, load_catalogue, try_catalogue
from grid.flows.programs.files import READERS
from grid.flows.programs.terms_words import changes
from grid.flows.programs.versions import lines_of
from grid.models import GridEvent, Program, ProgramTerms

MOST_BYTES = 2_000_000


class TermsForm(AnyModelForm):
    """One version of a program's terms in the words of a tariff sheet; docs/programs.md has its lists and rules."""

    reward_micros_per_kwh = RateField(label="Reward", min_value=0, help_text="Currency per kWh delivered.")
    kinds = forms.MultipleChoiceField(
        choices=GridEvent.Kind.choices, widget=forms.CheckboxSelectMultiple, label="Kinds of event", required=False
    )

    class Meta:
        model = ProgramTerms
        fields = [
            "version", "valid_from_at", "valid_until_at", "reward_micros_per_kwh", "kinds", "minimum_notice_minutes",
            "max_event_minutes", "season_months", "windows", "max_events_per_season", "max_minutes_per_season",
            "max_events_per_day", "change_notice_days", "eligibility", "excludes", "goes_with", "needs_confirmation",
            "settles", "group_method", "group_method_version", "share_rule", "control_share_percent", "objection_hours",
            "has_penalty",
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Read lists and rules as a program file would, so that nothing comes in here that a file may not bring."""
        values = super().clean() or self.cleaned_data
        for name in ("season_months", "windows", "eligibility", "excludes", "goes_with"):
            if name in values:
                if values[name] is None:  # emptied, which means that nothing is asked
                    values[name] = READERS[name][1]
                try:
                    READERS[name][0](values[name])
                except (TypeError, ValueError) as error:
                    self.add_error(name, str(error))
        return values


class TermsInline(AnyInline):
    """Terms under their program. A version that an event used is shown, and stays as it is."""

    model = ProgramTerms
    form = TermsForm
    extra = 0
    ordering = ["-version"]
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(events__isnull=True)


class UsedTermsInline(ReadOnlyInline):
    """Versions that events used."""

    model = ProgramTerms
    verbose_name_plural = "terms that events used (a change is a new version)"
    fields = ["version", "valid_from_at", "valid_until_at", "reward", "kinds", "minimum_notice_minutes"]
    readonly_fields = ["reward"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(events__isnull=False).distinct()

    @admin.display(description="reward")
    def reward(self, terms: ProgramTerms) -> str:
        return rate_text(terms.reward_micros_per_kwh, terms.program.utility.currency)


class FileForm(forms.Form):
    """A program file, and whether to load it or only to say what it would change."""

    file = forms.FileField(help_text="JSON, as docs/programs.md has it.")
    is_trial = forms.BooleanField(required=False, initial=True, label="Only say what it would change")

    def clean_file(self) -> Any:
        """Return what the file says; refuse what is no JSON object."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 2 MB: use `manage.py load_programs`.")
        try:
            record = json.loads(file.read())
        except ValueError as error:
            raise forms.ValidationError(f"This is no JSON: {error}") from error
        if not isinstance(record, dict):
            raise forms.ValidationError("The file must hold one utility with its programs.")
        return record


@admin.register(Program)
class ProgramAdmin(AnyAdmin):
    list_display = ["name", "utility", "status", "is_served", "reward_now", "versions", "as_of_date"]
    list_filter = ["status", "is_served", "utility"]
    search_fields = ["name", "slug"]
    list_select_related = ["utility"]
    readonly_fields = ["public_id", "changes_by_version"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [TermsInline, UsedTermsInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Program]:
        """Fetch the versions along."""
        rows: QuerySet[Program] = super().get_queryset(request)
        return rows.prefetch_related("terms")

    def get_urls(self) -> list[URLPattern]:
        """Add the page that loads a file."""
        view = self.admin_site.admin_view(self.load_view)
        return [path("load/", view, name="grid_program_load"), *super().get_urls()]

    def load_view(self, request: HttpRequest) -> HttpResponse:
        """Load a program file, or say what it would change."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form, notes = FileForm(request.POST or None, request.FILES or None), None
        if request.method == "POST" and form.is_valid():
            record = form.cleaned_data["file"]
            try:
                notes = try_catalogue(record, now=clock.now())
                if not form.cleaned_data["is_trial"]:
                    utility = load_catalogue(record, now=clock.now())
                    messages.success(request, f"{utility}: loaded, {len(notes)} changes.")
                    return HttpResponseRedirect(reverse("admin:grid_program_changelist"))
            except UnableToLoad as refusal:
                form.add_error("file", refusal.reason)
        context = {**self.admin_site.each_context(request), "title": "Load programs from a file", "opts": self.opts}
        return TemplateResponse(request, "admin/grid/program/load.html", {**context, "form": form, "notes": notes})

    @admin.display(description="reward now")
    def reward_now(self, program: Program) -> str:
        terms = ProgramTerms.in_force(program=program, at=clock.now())
        return "-" if terms is None else rate_text(terms.reward_micros_per_kwh, program.utility.currency)

    @admin.display(description="versions")
    def versions(self, program: Program) -> int:
        return len(program.terms.all())

    @admin.display(description="what each version changed")
    def changes_by_version(self, program: Program) -> SafeString:
        """Tell version by version what owners read, and what differs from the one before."""
        versions = list(program.terms.select_related("program__utility").order_by("version"))
        told = lines_of(versions, reader=reader_in(program.utility.country))
        rows = []
        for before, one in zip([None, *versions], versions, strict=False):
            found = changes(told[before.pk] if before else [], told[one.pk])
            texts = ((change.label, change.before or "-", change.after or "-") for change in found)
            head = format_html("<strong>v{}, from {}</strong>", one.version, f"{one.valid_from_at:%Y-%m-%d}")
            rows.append(format_html("{}<ul>{}</ul>", head, format_html_join("", "<li>{}: {} → {}</li>", texts)))
        return format_html_join("", "{}", ((row,) for row in rows))
