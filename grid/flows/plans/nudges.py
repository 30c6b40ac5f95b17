"""Plans and dispatches are pulled forward here; the sweeps would notice by themselves, a little later."""

from collections.abc import Collection
from datetime import datetime

from grid.models import PlanningState

BATCH = 500


def pull_forward(vehicle_ids: Collection[int], *, reason: str, now: datetime) -> None:
    """Make the cars' plans and dispatches due at `now`; cars that have no planning state yet get one by the sweep."""
    keys = sorted(vehicle_ids)
    for first in range(0, len(keys), BATCH):
        states = PlanningState.objects.filter(vehicle_id__in=keys[first : first + BATCH])
        states.filter(due_at__gt=now).nudge(due_at=now, reason=reason)
        states.filter(dispatch_at__gt=now).nudge(dispatch_at=now)
