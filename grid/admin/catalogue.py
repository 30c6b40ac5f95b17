"""Utilities, programs with their terms, and feeds."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import AnyAdmin, AnyInline, ReadOnlyInline
from foundation import clock
from grid.admin.bases import AnyModelForm, RateField, rate_text
from grid.models import Feed, GridEvent, Program, ProgramTerms, Utility


@admin.register(Utility)
class UtilityAdmin(AnyAdmin):
    list_display = ["name", "country", "region", "currency", "time_zone", "two_person_limit_w", "is_demo"]
    list_filter = ["country", "is_demo"]
    search_fields = ["name", "slug"]
    readonly_fields = ["public_id"]
    prepopulated_fields = {"slug": ["name"]}


class TermsForm(AnyModelForm):
    """One version of a program's terms, in the words of a tariff sheet."""

    reward_micros_per_kwh = RateField(label="Reward", min_value=0, help_text="Currency per kWh delivered.")
    kinds = forms.MultipleChoiceField(
        choices=GridEvent.Kind.choices, widget=forms.CheckboxSelectMultiple, label="Kinds of event"
    )

    class Meta:
        model = ProgramTerms
        fields = [
            "version",
            "valid_from_at",
            "valid_until_at",
            "reward_micros_per_kwh",
            "kinds",
            "minimum_notice_minutes",
            "max_event_minutes",
        ]


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


@admin.register(Program)
class ProgramAdmin(AnyAdmin):
    list_display = ["name", "utility", "status", "is_served", "reward_now", "source", "as_of_date"]
    list_filter = ["status", "is_served", "utility"]
    search_fields = ["name", "slug"]
    list_select_related = ["utility"]
    readonly_fields = ["public_id"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [TermsInline, UsedTermsInline]

    @admin.display(description="reward now")
    def reward_now(self, program: Program) -> str:
        terms = ProgramTerms.in_force(program=program, at=clock.now())
        return "-" if terms is None else rate_text(terms.reward_micros_per_kwh, program.utility.currency)


@admin.register(Feed)
class FeedAdmin(AnyAdmin):
    list_display = ["source", "zone", "kind", "is_active", "age", "latest_ends_at", "gap_count", "failure"]
    list_filter = ["source", "kind", "is_active"]
    search_fields = ["source", "zone"]
    readonly_fields = [
        "next_fetch_at",
        "fetched_at",
        "latest_ends_at",
        "gaps",
        "failure",
        "failures",
        "lease_until",
    ]
    actions = ["fetch_soon"]

    @admin.display(description="age")
    def age(self, feed: Feed) -> str:
        age = feed.age(clock.now())
        return "never fetched" if age is None else str(age).split(".", maxsplit=1)[0]

    @admin.display(description="gaps")
    def gap_count(self, feed: Feed) -> int:
        return len(feed.gaps)

    @admin.action(description="Fetch with the next sweep", permissions=["change"])
    def fetch_soon(self, request: HttpRequest, queryset: QuerySet[Feed]) -> None:
        """Make the chosen feeds due; the sweep does the fetching."""
        count = queryset.update(next_fetch_at=None, lease_until=None)
        self.message_user(request, f"{count} feeds are fetched with the next sweep.", messages.SUCCESS)
