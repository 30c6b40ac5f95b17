"""The car room's admin pages."""

from vehicles.admin import cars, makers

__all__ = ["cars", "makers"]
