"""The audit trail: who did what in the admin. Written by Django and by every action; nobody edits it."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from accounts.admin import ReadOnlyAdmin


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag", "change_message"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["user__email", "object_id", "object_repr", "change_message"]
    list_select_related = ["user", "content_type"]
    date_hierarchy = "action_time"
