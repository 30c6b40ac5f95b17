"""Accounts in the admin: people, what they agreed to, what they were told. Receipts and notices are read-only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import Consent, Notice, NoticeDelivery, User

if TYPE_CHECKING:  # Django's admin classes are generic in their types alone
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
else:
    AnyAdmin = admin.ModelAdmin
    AnyInline = admin.TabularInline


class ReadOnlyAdmin(AnyAdmin):
    """Shows rows that only flows write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(AnyInline):
    """Shows such rows below the one they belong to."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(AnyAdmin):
    """People. Passwords and second factors are changed by their owners alone."""

    list_display = ["email", "name", "country", "time_zone", "is_staff", "is_active", "last_login"]
    list_filter = ["country", "is_staff", "is_active"]
    search_fields = ["email", "name", "public_id"]
    readonly_fields = ["public_id", "email", "last_login", "date_joined"]
    fields = [
        "public_id",
        "email",
        "name",
        "country",
        "time_zone",
        "language",
        "is_active",
        "is_staff",
        "is_superuser",
        "groups",
        "user_permissions",
        "last_login",
        "date_joined",
    ]
    filter_horizontal = ["groups", "user_permissions"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people sign up; admins are made by `manage.py create_admin`

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # what they earned must stay explainable

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Let only a superuser hand out rights."""
        rights = [] if request.user.is_superuser else ["is_staff", "is_superuser", "groups", "user_permissions"]
        return [*self.readonly_fields, *rights]


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    list_display = ["user", "purpose", "version", "granted_at", "revoked_at"]
    list_filter = ["purpose", "version"]
    search_fields = ["user__email", "user__public_id"]
    list_select_related = ["user"]
    date_hierarchy = "granted_at"


class NoticeDeliveryInline(ReadOnlyInline):
    """How a notice went out, for whoever is asked why it did not come."""

    model = NoticeDelivery
    fields = ("channel", "device", "is_digest", "state", "due_at", "attempts", "sent_at", "failure")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    inlines = [NoticeDeliveryInline]
    list_display = ["user", "kind", "key", "created_at", "emailed_at", "read_at"]
    list_filter = ["kind"]
    search_fields = ["user__email", "key"]
    list_select_related = ["user"]
    date_hierarchy = "created_at"
