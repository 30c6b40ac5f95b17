"""Who takes part and what came of it. Flows write these rows; here they are read."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import ReadOnlyAdmin
from foundation.money import major_units
from grid.admin.bases import rate_text
from grid.models import Dispatch, Enrollment, EventParticipation, Plan, PlanningState, Settlement, Site


def as_readable_json(value: object) -> SafeString:
    """Return a JSON value laid out for reading."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=1, sort_keys=True, default=str))


@admin.register(Site)
class SiteAdmin(ReadOnlyAdmin):
    """Homes. The address stays with its owner."""

    list_display = ["public_id", "owner", "postal_code_prefix", "tariff", "evse_max_charge_w", "has_export_permission"]
    list_filter = ["tariff__utility", "has_export_permission"]
    search_fields = ["public_id", "owner__email", "postal_code_prefix"]
    list_select_related = ["owner", "tariff"]
    exclude = ["address"]


@admin.register(Enrollment)
class EnrollmentAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "program", "site", "enrolled_at", "ended_at"]
    list_filter = ["program"]
    search_fields = ["public_id", "vehicle__public_id", "vehicle__owner__email"]
    list_select_related = ["vehicle", "program", "site"]
    date_hierarchy = "enrolled_at"


@admin.register(EventParticipation)
class EventParticipationAdmin(ReadOnlyAdmin):
    list_display = ["event", "enrollment", "state", "reason", "yields_to", "invited_at", "decided_at"]
    list_filter = ["state", "reason", "event__terms__program"]
    search_fields = ["public_id", "event__public_id", "enrollment__vehicle__public_id"]
    list_select_related = ["event", "enrollment__vehicle", "enrollment__program", "yields_to"]


@admin.register(PlanningState)
class PlanningStateAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "due_at", "reason", "obstacle", "planned_at", "dispatch_at"]
    list_filter = ["reason", "obstacle"]
    search_fields = ["vehicle__public_id"]
    list_select_related = ["vehicle"]


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "made_at", "reason", "starts_at", "departure_at", "is_current"]
    list_filter = ["is_current", "reason"]
    search_fields = ["public_id", "vehicle__public_id"]
    list_select_related = ["vehicle"]
    date_hierarchy = "made_at"
    exclude = ["arrays", "made_from"]
    readonly_fields = ["readable_inputs", "readable_solution", "readable_problem"]

    @admin.display(description="made from")
    def readable_inputs(self, plan: Plan) -> SafeString:
        return as_readable_json(plan.inputs)

    @admin.display(description="solution")
    def readable_solution(self, plan: Plan) -> SafeString:
        return as_readable_json(plan.solution)

    @admin.display(description="problem")
    def readable_problem(self, plan: Plan) -> SafeString:
        return as_readable_json(plan.problem)


@admin.register(Dispatch)
class DispatchAdmin(ReadOnlyAdmin):
    list_display = ["vehicle", "mode", "power_w", "starts_at", "ends_at", "command", "stopped_at", "stop_reason"]
    list_filter = ["mode", "stop_reason"]
    search_fields = ["vehicle__public_id"]
    list_select_related = ["vehicle", "command"]
    date_hierarchy = "starts_at"


@admin.register(Settlement)
class SettlementAdmin(ReadOnlyAdmin):
    list_display = ["participation", "revision", "grade", "baseline_wh", "net_wh", "credited_wh", "amount", "posted_at"]
    list_filter = ["grade", "method", "currency"]
    search_fields = ["public_id", "participation__public_id", "participation__event__public_id"]
    list_select_related = ["participation__enrollment__vehicle", "participation__enrollment__program"]
    date_hierarchy = "created_at"
    exclude = ["evidence"]
    readonly_fields = ["reward", "readable_evidence"]

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, settlement: Settlement) -> str:
        return (
            f"{major_units(amount_minor=settlement.amount_minor, currency=settlement.currency)} {settlement.currency}"
        )

    @admin.display(description="reward")
    def reward(self, settlement: Settlement) -> str:
        return rate_text(settlement.reward_micros_per_kwh, settlement.currency)

    @admin.display(description="evidence")
    def readable_evidence(self, settlement: Settlement) -> SafeString:
        return as_readable_json(settlement.evidence)
