"""Paydays: the payouts of everybody whose day has come are requested some hundreds at a time, in few statements."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from rewards import ledger
from rewards.flows.budget import in_time
from rewards.flows.pauses import payouts_are_paused
from rewards.flows.requesting import Wanted, request_payouts
from rewards.models import Payout, PayoutAccount

logger = logging.getLogger(__name__)

AT_ONCE = 250


def request_due_payouts(*, now: datetime, limit: int) -> int:
    """Request a payout for each account whose simulated payday has come; returns how many were requested.

    Only accounts that are ready and not paused, with at least the owner's threshold available. The next payday is set
    in the same transaction, so that a sweep run twice pays once. While payouts are paused nothing is requested. Where
    one of a batch fails, its batch is gone through one by one.
    """
    due = list(_due(now).order_by("next_payout_at", "pk").values_list("pk", flat=True)[:limit])
    requested = 0
    for first in in_time(range(0, len(due), AT_ONCE)):
        if payouts_are_paused():
            break
        batch = due[first : first + AT_ONCE]
        try:
            requested += _request(batch, now=now)
        except Exception:
            logger.warning("%d payouts were not requested together; requesting them singly", len(batch), exc_info=True)
            requested += sum(_request_alone(key, now=now) for key in in_time(batch))
    return requested


def _request_alone(key: int, *, now: datetime) -> int:
    try:
        return _request([key], now=now)
    except Exception:
        logger.exception("payout account %s: nothing requested", key)
        return 0


def _due(now: datetime) -> QuerySet[PayoutAccount]:
    return PayoutAccount.objects.filter(state=PayoutAccount.State.ACTIVE, is_paused=False, next_payout_at__lte=now)


@transaction.atomic
def _request(keys: Sequence[int], *, now: datetime) -> int:
    # Accounts that another sweep has locked are that one's.
    rows = _due(now).filter(pk__in=keys).select_related("owner").order_by("pk")
    accounts = list(rows.select_for_update(of=("self",), skip_locked=True))
    _set_next_paydays(accounts, now=now)
    busy = Payout.objects.filter(account__in=accounts, state__in=Payout.OPEN_STATES).order_by()
    waiting = set(busy.values_list("account", flat=True))
    wanted = [one for one in _with_their_balance(accounts) if one.account.pk not in waiting]
    return len(request_payouts([one for one in wanted if one.amount_minor >= one.account.threshold_minor], now=now))


def _with_their_balance(accounts: Sequence[PayoutAccount]) -> list[Wanted]:
    everything = [Wanted(account, 0) for account in accounts]
    balances = ledger.owner_balances(one.owner_key for one in everything)
    return [
        Wanted(one.account, balances[one.owner_key].available_minor) for one in everything if one.owner_key in balances
    ]


def _set_next_paydays(accounts: Sequence[PayoutAccount], *, now: datetime) -> None:
    by_day = defaultdict[datetime, list[int]](list)
    for account in accounts:
        by_day[_next_payday(account, now=now)].append(account.pk)
    for day, keys in by_day.items():
        PayoutAccount.objects.filter(pk__in=keys).update(next_payout_at=day)


def _next_payday(account: PayoutAccount, *, now: datetime) -> datetime:
    # Paydays keep their hour: after an outage the next one is the first on the schedule that lies ahead.
    interval, last = account.interval, account.next_payout_at or now
    return last + interval * ((now - last) // interval + 1)
