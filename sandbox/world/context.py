"""What every page of the sandbox shows."""

from typing import Any

from django.http import HttpRequest

from sandbox.world import clock


def world_clock(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - a context processor's signature
    """Return the time for the banner."""
    anchor = clock.current_anchor()
    return {
        "world_now": clock.wall() if anchor is None else anchor.simulated(clock.wall()),
        "world_rate": None if anchor is None else anchor.rate,
    }
