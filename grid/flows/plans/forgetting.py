"""Old plans are forgotten, but for those by which a car helped in an event."""

from datetime import datetime, timedelta

from django.db import transaction

from grid.models import Dispatch, Plan

KEPT_FOR = timedelta(days=14)


@transaction.atomic
def forget_old_plans(*, now: datetime, limit: int) -> int:
    """Delete up to `limit` plans that were superseded and made over two weeks ago; returns how many.

    A plan whose dispatches belong to an event is part of what its settlement rests on, and stays.
    """
    in_events = Dispatch.objects.filter(participation__isnull=False, plan__made_at__lt=now - KEPT_FOR)
    old = Plan.objects.filter(is_current=False, made_at__lt=now - KEPT_FOR).order_by("made_at")
    keys = list(old.exclude(pk__in=in_events.values("plan")).values_list("pk", flat=True)[:limit])
    if keys:
        # Other dispatches keep their row and lose their plan.
        Dispatch.objects.filter(plan__any_of=keys).update(plan=None)
        Plan.objects.filter(pk__any_of=keys).delete()
    return len(keys)
