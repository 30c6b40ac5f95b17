"""What the platform owes a utility whose terms know a penalty for a group that gave less than nothing."""

from datetime import datetime

from django.db import transaction

from grid.models import GroupSettlement
from rewards import ledger
from rewards.flows.corrections import corrections_account
from rewards.models import LedgerAccount


def post_due_penalties(*, now: datetime, limit: int) -> int:
    """Post the penalties of up to `limit` results that stand, of a correction only what it changes; return how many."""
    due = GroupSettlement.objects.filter(
        event__terms__has_penalty=True, review__in=GroupSettlement.STANDING, penalized_at__isnull=True
    )
    rows = due.select_related("event__terms__program__utility").defer("evidence").order_by("event", "revision")[:limit]
    for group in rows:
        _post(group, now)
    return len(rows)


@transaction.atomic
def _post(group: GroupSettlement, now: datetime) -> None:
    earlier = GroupSettlement.objects.filter(event=group.event_id, penalized_at__isnull=False)
    before = earlier.order_by("-revision").values_list("amount_minor", flat=True).first() or 0
    more = max(0, -group.amount_minor) - max(0, -before)
    if more:
        kind, utility = LedgerAccount.Kind.UTILITY_RECEIVABLE, group.event.terms.program.utility.slug
        sides = corrections_account(group.currency), ledger.account(kind, utility, group.currency)
        debit, credit = sides if more > 0 else sides[::-1]
        label = f"Penalty: Event {group.event.starts_at:%Y-%m-%d}"
        key = f"penalty:{group.public_id}"
        ledger.post(key=key, debit=debit, credit=credit, amount_minor=abs(more), label=label, now=now)
    GroupSettlement.objects.filter(pk=group.pk).update(penalized_at=now)
