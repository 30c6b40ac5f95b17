"""What the parts of the operations page share: whose rights show which part, and addresses of lists in the admin."""

from django.urls import reverse

from grid.models import GridEvent

MAY_SEE_CARS, MAY_SEE_EVENTS, MAY_SEE_MONEY = "vehicles.view_vehicle", "grid.view_gridevent", "rewards.view_payout"


def admin_list(model: str, query: str = "") -> str:
    """Return the address of a model's list (`app_model`), narrowed by a query string."""
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def event_page(event: GridEvent) -> str:
    """Return the address of an event's page."""
    return reverse("admin:grid_gridevent_change", args=[event.pk])
