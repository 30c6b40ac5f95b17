"""A year of history in bulk for the cars of a throw-away database: events, settlements, transfers, payouts, notices."""

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import CharField, Value
from django.db.models.functions import Concat

from accounts.models import Notice, User
from benchmarks.web_days import make_days
from grid.models import Enrollment, EventParticipation, GridEvent, Settlement, Site
from grid.rows.column_writes import insert_rows
from rewards import ledger
from rewards.flows.requesting import Wanted, request_payouts
from rewards.models import LedgerAccount, Payout, PayoutAccount
from tests.factories import grid
from vehicles.models import Vehicle

EVENINGS = 80  # on which the utility asked for help
EVENINGS_A_PAYOUT = 7  # four weeks
AT_ONCE = 2_000
RATE_MICROS = 400_000


def make_year(*, now: datetime) -> None:
    """Let every car have helped on eighty evenings of the past year, and be asked for tonight."""
    terms = grid.terms(now=now - timedelta(days=400))
    sites = {site.owner_id: site for site in Site.objects.all()}
    cars = list(Vehicle.objects.select_related("owner"))
    joined = Enrollment.objects.bulk_create(
        Enrollment(vehicle=car, program=terms.program, site=sites[car.owner_id], enrolled_at=now - timedelta(days=380))
        for car in cars
    )
    owed = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, terms.program.utility.slug, "USD")
    purses = {
        car.owner_id: ledger.account(LedgerAccount.Kind.OWNER_PAYABLE, str(car.owner.public_id), "USD", owner=car.owner)
        for car in cars
    }
    accounts = _payout_accounts([car.owner for car in cars], now)
    dice = random.Random(7)  # noqa: S311 - a world to measure in, nothing secret
    unpaid: Counter[int] = Counter()
    for number in reversed(range(EVENINGS)):  # the books are written in the order of time
        starts_at = now - timedelta(days=4 * (number + 1), hours=22)
        evening = grid.event(
            now=starts_at - timedelta(hours=3),
            of=terms,
            starts_at=starts_at,
            state=GridEvent.State.SETTLED,
            announced_at=starts_at - timedelta(hours=2),
            settled_at=starts_at + timedelta(hours=3),
        )
        unpaid.update(_settle(evening, joined, owed, purses, dice))
        if number and number % EVENINGS_A_PAYOUT == 0:
            _pay_out([Wanted(account, unpaid.pop(account.owner_id)) for account in accounts], evening.ends_at)
    coming = grid.event(now=now, of=terms, state=GridEvent.State.ANNOUNCED, announced_at=now)
    EventParticipation.objects.bulk_create(
        (EventParticipation(event=coming, enrollment=one, invited_at=now) for one in joined), batch_size=AT_ONCE
    )
    _tell([car.owner for car in cars], now)
    make_days(now=now)
    if found := ledger.check():
        raise RuntimeError(f"The year's books do not add up: {found[:3]}")


def _settle(
    evening: GridEvent,
    joined: list[Enrollment],
    owed: LedgerAccount,
    purses: dict[int, LedgerAccount],
    dice: random.Random,
) -> dict[int, int]:
    """Settle an evening for every car, through the ledger; returns what each owner earned."""
    parts = EventParticipation.objects.bulk_create(
        (EventParticipation(event=evening, enrollment=one, invited_at=evening.created_at) for one in joined),
        batch_size=AT_ONCE,
    )
    done_at = evening.ends_at + timedelta(minutes=40)
    settled = [_settlement(part, dice.randint(2_000, 14_000), done_at) for part in parts]
    evidence = json.dumps(_evidence(evening))
    names = [field for field in Settlement._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
    columns = {field.name: [getattr(one, field.attname) for one in settled] for field in names}
    insert_rows(Settlement, columns | {"evidence": [evidence] * len(settled)})
    owners = [one.participation.enrollment.vehicle.owner_id for one in settled]
    entries = [
        ledger.Entry(f"settlement:{one.public_id}", owed, purses[owner], one.amount_minor, "Evening Relief")
        for owner, one in zip(owners, settled, strict=True)
    ]
    ledger.post_many(entries, now=done_at)
    return dict(zip(owners, (one.amount_minor for one in settled), strict=True))


def _evidence(evening: GridEvent) -> dict[str, Any]:
    """Return evidence as large as what a settlement keeps: a reading every quarter of an hour, and the workings."""
    ends = {"starts_at": evening.starts_at.isoformat(), "ends_at": evening.ends_at.isoformat()}
    readings = [
        {
            "observed_at": (evening.starts_at + timedelta(minutes=14 * number)).isoformat(),
            "soc_percent": f"{88.53 - 2.01 * number:.2f}",
            "imported_wh": 43_696,
            "exported_wh": 2_239 * number,
        }
        for number in range(10)
    ]
    return {
        "schema": 1,
        "method": {"name": "uncontrolled-at-plug-in", "version": 2},
        "event": {"kind": evening.kind, **ends},
        "car": {"capacity_wh": 98_000, "charge_efficiency": "0.900", "power_w": 11_300},
        "reward": {"rate_micros_per_kwh": RATE_MICROS, "currency": "USD"},
        "readings": readings,
        "workings": {"baseline": [{**ends, "power_w": 11_300}], "net": [{**ends, "grade": "measured"}]},
    }


def _settlement(part: EventParticipation, credited_wh: int, at: datetime) -> Settlement:
    return Settlement(
        participation=part,
        method="uncontrolled-at-plug-in",
        baseline_wh=credited_wh + 500,
        net_wh=500,
        delivered_wh=credited_wh,
        credited_wh=credited_wh,
        reward_micros_per_kwh=RATE_MICROS,
        amount_minor=credited_wh * RATE_MICROS // 10_000_000,
        currency="USD",
        grade=Settlement.Grade.MEASURED,
        evidence={},
        created_at=at,
        posted_at=at,
    )


def _payout_accounts(owners: list[User], now: datetime) -> list[PayoutAccount]:
    return PayoutAccount.objects.bulk_create(
        PayoutAccount(
            owner=owner, country="US", currency="USD", state="active", external_id=f"acct_{owner.pk}", created_at=now
        )
        for owner in owners
    )


def _pay_out(wanted: list[Wanted], at: datetime) -> None:
    """Pay every owner what they have earned since the last time; it arrived two days later."""
    paid = request_payouts(wanted, now=at + timedelta(days=1))
    endings = {f"payout:{one.public_id}:post": one.reservation for one in paid}
    ledger.post_pending_many(endings, now=at + timedelta(days=1, minutes=5))
    Payout.objects.filter(pk__in=[one.pk for one in paid]).update(
        state=Payout.State.PAID,
        sent_at=at + timedelta(days=1, minutes=5),
        paid_at=at + timedelta(days=3),
        external_id=Concat(Value("tr_"), "pk", output_field=CharField()),
    )


def _tell(owners: list[User], now: datetime) -> None:
    told = (
        Notice(
            user=owner,
            kind="payout_paid",
            key=f"past-{week}",
            params={"amount_minor": 1_200, "currency": "USD"},
            created_at=now - timedelta(weeks=week),
            read_at=now,
        )
        for owner in owners
        for week in range(26)
    )
    while chunk := list(islice(told, AT_ONCE)):
        Notice.objects.bulk_create(chunk)
