"""Cars in the admin: links by state and maker, cars, commands, readings. Flows write."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from vehicles.models import (
    ChargeOverride,
    ChargePreference,
    ChargeReading,
    Command,
    DatedDeparture,
    PlugSession,
    Vehicle,
    VehicleLink,
)


@admin.register(VehicleLink)
class VehicleLinkAdmin(ReadOnlyAdmin):
    """Tokens are never shown."""

    list_display = ["public_id", "owner", "maker", "state", "state_reason", "failures", "refreshed_at", "quiet_until"]
    list_filter = ["maker", "state", "state_reason"]
    search_fields = ["public_id", "owner__email"]
    list_select_related = ["owner"]
    fields = [
        "public_id",
        "owner",
        "maker",
        "scopes",
        "state",
        "state_reason",
        "linked_at",
        "refreshed_at",
        "access_expires_at",
        "refresh_expires_at",
        "failures",
        "auth_failed_at",
        "quiet_until",
        "revoked_at",
    ]


@admin.register(Vehicle)
class VehicleAdmin(ReadOnlyAdmin):
    """The VIN and the maker's number of a car are never shown."""

    list_display = ["public_id", "make", "model", "model_year", "owner", "state", "is_controlling", "next_read_at"]
    list_filter = ["link__maker", "state", "is_controlling", "read_failure", "has_assumed_specs"]
    search_fields = ["public_id", "owner__email", "model"]
    list_select_related = ["owner", "link"]
    fields = [
        "public_id",
        "owner",
        "link",
        "make",
        "model",
        "model_year",
        "trim",
        "nickname",
        "state",
        "is_controlling",
        "capabilities",
        "capacity_wh",
        "max_charge_w",
        "max_discharge_w",
        "has_assumed_specs",
        "next_read_at",
        "read_failure",
        "read_failures",
        "created_at",
    ]


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ["public_id", "vehicle", "kind", "power_w", "state", "reason", "sent_at", "ends_at", "released_at"]
    list_filter = ["state", "kind", "ended_by", "reason", "failure"]
    search_fields = ["public_id", "key", "vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]
    date_hierarchy = "created_at"


@admin.register(ChargeReading)
class ChargeReadingAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "observed_at", "soc_percent", "charge_state", "power_w", "is_plugged_in", "is_at_home"]
    list_filter = ["charge_state", "source"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]
    date_hierarchy = "observed_at"


@admin.register(PlugSession)
class PlugSessionAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "plugged_in_at", "unplugged_at", "soc_percent", "limit_percent", "is_at_home"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]


@admin.register(ChargePreference)
class ChargePreferenceAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "target_soc_percent", "reserve_soc_percent", "is_v2g_allowed", "is_paused", "changed_at"]
    list_filter = ["is_v2g_allowed", "is_paused"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]


@admin.register(ChargeOverride)
class ChargeOverrideAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "kind", "starts_at", "ends_at", "cancelled_at"]
    list_filter = ["kind"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]


@admin.register(DatedDeparture)
class DatedDepartureAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "kind", "first_date", "last_date", "leaves_at_local", "created_at"]
    list_filter = ["kind"]
    search_fields = ["vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle"]
