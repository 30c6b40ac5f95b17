"""The sandbox's clock: simulated time where an anchor row is set, else real time."""

from datetime import UTC, datetime

from sandbox.world.models import ClockAnchor


def wall() -> datetime:
    """Return the real time, aware UTC."""
    return datetime.now(UTC)


def current_anchor() -> ClockAnchor | None:
    """Return the anchor in force; None means real time."""
    return ClockAnchor.objects.filter(id=1).first()


def now() -> datetime:
    """Return the sandbox's time, aware UTC."""
    anchor = current_anchor()
    return wall() if anchor is None else anchor.simulated(wall())


def rate() -> float:
    """Return how many simulated seconds pass in one wall second."""
    anchor = current_anchor()
    return 1.0 if anchor is None else anchor.rate


def set_anchor(*, simulated_at: datetime, wall_at: datetime, rate: float) -> ClockAnchor:
    """Replace the anchor."""
    anchor, _ = ClockAnchor.objects.update_or_create(
        id=1, defaults={"simulated_at": simulated_at, "wall_at": wall_at, "rate": rate}
    )
    return anchor


def clear_anchor() -> None:
    """Go back to real time."""
    ClockAnchor.objects.filter(id=1).delete()
