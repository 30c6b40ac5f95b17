"""The grid room in the admin: what utilities offer and ask, who takes part, what came of it."""

from grid.admin import catalogue, desk, events, operators, owed, results, stops, tariffs, uploads

__all__ = ["catalogue", "desk", "events", "operators", "owed", "results", "stops", "tariffs", "uploads"]
