"""How far two places are apart. Pure."""

import math

from vehicles.automakers.base import Place

EARTH_RADIUS_M = 6_371_000


def distance_m(one: Place, other: Place) -> float:
    """Return the great-circle distance in metres (haversine on a sphere)."""
    latitudes = math.radians(one.latitude), math.radians(other.latitude)
    across = math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    along = math.sin((latitudes[1] - latitudes[0]) / 2) ** 2
    share = along + math.cos(latitudes[0]) * math.cos(latitudes[1]) * across
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(share)))
