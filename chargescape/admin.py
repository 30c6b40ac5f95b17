"""What belongs to no room: the audit trail of the admin, copies that owners asked for, accounts that are closing."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin
from chargescape.owner_asks import AccountClosing, DataExport


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Who did what: written by Django and by every action, edited by nobody."""

    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag", "change_message"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["user__email", "object_id", "object_repr", "change_message"]
    list_select_related = ["user", "content_type"]
    date_hierarchy = "action_time"


@admin.register(DataExport)
class DataExportAdmin(ReadOnlyAdmin):
    """How copies fare; what is in them is for their owners alone."""

    list_display = ["public_id", "user", "state", "requested_at", "ready_at", "attempts", "row_count", "size_bytes"]
    list_filter = ["state"]
    search_fields = ["public_id", "user__email"]
    list_select_related = ["user"]
    exclude = ["content"]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Leave the content where it is."""
        return super().get_queryset(request).defer("content")


@admin.register(AccountClosing)
class AccountClosingAdmin(ReadOnlyAdmin):
    """Accounts that are being closed, and what each waits for."""

    list_display = ["user", "requested_at", "waiting_for", "try_at", "closed_at"]
    list_filter = ["waiting_for", ("closed_at", admin.EmptyFieldListFilter)]
    search_fields = ["user__email", "user__public_id"]
    list_select_related = ["user"]
