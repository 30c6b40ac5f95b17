"""Reports that utilities' events ask for, in the admin: what is due, what went out, what stands in the way."""

from django.contrib import admin

from grid.admin.operators import ShownOnly
from grid.models import OperatorResource, OwedReport


@admin.register(OwedReport)
class OwedReportAdmin(ShownOnly):
    list_display = ["name", "event", "program", "is_aggregate", "due_at", "told_at", "failure", "failures"]
    list_filter = ["is_ahead", ("due_at", admin.EmptyFieldListFilter), "event__program__link__utility"]
    list_select_related = ["event__program__program", "event__program__link__utility"]
    search_fields = ["event__remote_id", "remote_id"]

    @admin.display(description="program")
    def program(self, report: OwedReport) -> str:
        """Whose event asks for it."""
        return str(report.event.program)


@admin.register(OperatorResource)
class OperatorResourceAdmin(ShownOnly):
    list_display = ["name", "program", "enrollment", "remote_id"]
    list_select_related = ["program__program", "program__link__utility", "enrollment__vehicle", "enrollment__program"]
    search_fields = ["name"]
