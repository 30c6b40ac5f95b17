"""The grid room in the admin: what utilities offer and ask, who takes part, what came of it."""

from grid.admin import (
    catalogue,
    confirmations,
    desk,
    draws,
    events,
    operators,
    owed,
    programs,
    results,
    stops,
    tariffs,
    uploads,
)

__all__ = [
    "catalogue",
    "confirmations",
    "desk",
    "draws",
    "events",
    "operators",
    "owed",
    "programs",
    "results",
    "stops",
    "tariffs",
    "uploads",
]
