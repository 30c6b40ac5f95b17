"""A year of history in bulk for the cars of a throw-away database: events, settlements, transfers, payouts, notices."""

import random
from datetime import datetime, timedelta
from itertools import islice

from accounts.models import Notice, User
from grid.models import Enrollment, EventParticipation, GridEvent, Settlement, Site
from rewards import ledger
from rewards.models import LedgerAccount, PayoutAccount, Transfer
from tests.factories import grid
from vehicles.models import Vehicle

EVENINGS = 80  # on which the utility asked for help
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
    dice = random.Random(7)  # noqa: S311 - a world to measure in, nothing secret
    for number in range(EVENINGS):
        starts_at = now - timedelta(days=4 * (number + 1), hours=22)
        evening = grid.event(
            now=starts_at - timedelta(hours=3),
            of=terms,
            starts_at=starts_at,
            state=GridEvent.State.SETTLED,
            announced_at=starts_at - timedelta(hours=2),
            settled_at=starts_at + timedelta(hours=3),
        )
        _settle(evening, joined, owed, purses, dice)
    coming = grid.event(now=now, of=terms, state=GridEvent.State.ANNOUNCED, announced_at=now)
    EventParticipation.objects.bulk_create(
        (EventParticipation(event=coming, enrollment=one, invited_at=now) for one in joined), batch_size=AT_ONCE
    )
    _tell_and_pay([car.owner for car in cars], now)


def _settle(
    evening: GridEvent,
    joined: list[Enrollment],
    owed: LedgerAccount,
    purses: dict[int, LedgerAccount],
    dice: random.Random,
) -> None:
    parts = EventParticipation.objects.bulk_create(
        (EventParticipation(event=evening, enrollment=one, invited_at=evening.created_at) for one in joined),
        batch_size=AT_ONCE,
    )
    done_at = evening.ends_at + timedelta(minutes=40)
    settled = [_settlement(part, dice.randint(2_000, 14_000), done_at) for part in parts]
    Settlement.objects.bulk_create(settled, batch_size=AT_ONCE)
    Transfer.objects.bulk_create(
        (
            Transfer(
                key=f"settlement:{one.public_id}",
                kind=Transfer.Kind.SINGLE,
                debit=owed,
                credit=purses[one.participation.enrollment.vehicle.owner_id],
                amount_minor=one.amount_minor,
                currency="USD",
                label="Evening Relief",
                created_at=done_at,
            )
            for one in settled
        ),
        batch_size=AT_ONCE,
    )


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


def _tell_and_pay(owners: list[User], now: datetime) -> None:
    PayoutAccount.objects.bulk_create(
        PayoutAccount(
            owner=owner, country="US", currency="USD", state="active", external_id=f"acct_{owner.pk}", created_at=now
        )
        for owner in owners
    )
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
