"""How much power each utility's cars may switch at once: a share of what all of them together draw."""

from datetime import datetime

from django.db.models import Sum

from foundation import leases
from grid.models import Utility
from vehicles.models import SwitchLimit, Vehicle

EVERY_SECONDS = 300


def keep_switch_limits(*, now: datetime) -> int:  # noqa: ARG001 - what holds now is what is counted
    """Bring every utility's limit in line with the cars that there are, every few minutes; returns how many changed."""
    if leases.acquire("switch_limits", seconds=EVERY_SECONDS) is None:  # never given back: so long nobody else counts
        return 0
    return count_switch_limits()


def count_switch_limits() -> int:
    """Count every utility's cars and set its limit; returns how many limits changed."""
    cars = Vehicle.objects.filter(state=Vehicle.State.ACTIVE, owner__sites__isnull=False).order_by()
    total = dict(cars.values_list("owner__sites__tariff__utility").annotate(total=Sum("max_charge_w")))
    known = dict(SwitchLimit.objects.values_list("group", "limit_w"))
    changed = 0
    for utility in Utility.objects.all():
        limit_w = round((total.get(utility.pk) or 0) * utility.switch_percent / 100)
        if known.get(utility.slug, 0) != limit_w:
            SwitchLimit.objects.update_or_create(group=utility.slug, defaults={"limit_w": limit_w})
            changed += 1
    return changed
