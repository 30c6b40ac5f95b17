"""Utilities, programs with their terms, and feeds."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import AnyAdmin
from foundation import clock
from grid.models import Feed, Utility


@admin.register(Utility)
class UtilityAdmin(AnyAdmin):
    list_display = ["name", "country", "region", "currency", "time_zone", "two_person_limit_w", "is_demo"]
    list_filter = ["country", "is_demo"]
    search_fields = ["name", "slug"]
    readonly_fields = ["public_id"]
    prepopulated_fields = {"slug": ["name"]}


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
