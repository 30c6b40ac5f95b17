"""Feeders and transformers that cars share: what their cars draw together, and who waits where that is too much."""

from collections.abc import Iterable
from datetime import datetime

from grid.flows.cars import CarNow


def waiting_cars(cars: Iterable[CarNow], *, now: datetime) -> frozenset[int]:
    """Return the keys of the cars that must wait, because their wires carry no more."""
    return frozenset()
