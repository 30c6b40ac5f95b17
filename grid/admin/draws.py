"""Control groups in the admin: who was drawn to be left alone, by which seed, and that anybody can draw them again."""

from django.contrib import admin

from grid.admin.operators import ShownOnly
from grid.flows.events.drawing import draw_again
from grid.models import ControlDraw


@admin.register(ControlDraw)
class ControlDrawAdmin(ShownOnly):
    """A draw with its seed and its lot: opened, it is drawn again from what is kept."""

    list_display = ["event", "drawn_at", "share_percent", "drawn_cars", "eligible", "seed", "method_version"]
    list_filter = ["event__terms__program__utility", "drawn_at"]
    list_select_related = ["event__terms__program__utility"]
    search_fields = ["seed", "event__public_id"]
    fields = ["event", "drawn_at", "method", "method_version", "seed", "share_percent", "eligible", "drawn_again",
              "drawn", "candidates"]  # fmt: skip
    readonly_fields = ["drawn_again"]

    @admin.display(description="cars drawn")
    def drawn_cars(self, draw: ControlDraw) -> str:
        """How many of how many."""
        return f"{len(draw.drawn)} of {len(draw.candidates)}"

    @admin.display(description="drawn again from seed and candidates")
    def drawn_again(self, draw: ControlDraw) -> str:
        """Whether the lot falls on the same cars again."""
        try:
            again = draw_again(draw)
        except ValueError as error:
            return str(error)
        is_same = sorted(again.cars) == sorted(draw.drawn) and again.eligible == draw.eligible
        return "the same cars" if is_same else f"OTHER cars: {', '.join(again.cars)}"
