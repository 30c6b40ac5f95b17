"""The grid room in the admin: what utilities offer and ask, who takes part, what came of it."""

from grid.admin import catalogue, events, operators, results, tariffs

__all__ = ["catalogue", "events", "operators", "results", "tariffs"]
