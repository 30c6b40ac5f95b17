"""A storm of messages, shuffled, tripled, some forged, ends where each message once and in order would have ended."""

import os
import random
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from rewards import ledger
from rewards.flows.payouts import pay_now, send_due_payouts
from rewards.flows.webhooks import apply_due_webhooks, receive_webhook
from rewards.models import Payout, PayoutAccount, WebhookEvent
from rewards.refusals import UnableToReceive
from tests.factories.rewards import earn
from tests.rewards.conftest import BANK_THAT_REFUSES, StripeWorld
from tests.rewards.counts import SHARE, count
from tests.rewards.test_webhooks import sign, snapshot, thin

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.once]

PUSHED = count(full=10_000, short=240)
TIMES = 3
FORGED_IN = 100
SEED = int(os.environ.get("CHARGESCAPE_SEED", "20261123")) + SHARE


@pytest.fixture
def payouts(world: StripeWorld, alice: User, bob: User, chloe: User, now: datetime) -> list[Payout]:
    """Three owners' payouts, two each; bob's bank sends his back."""
    for owner in (alice, bob, chloe):
        details = {"account_number": BANK_THAT_REFUSES} if owner == bob else {}
        world.set_up(owner, now=now, **details)
    for hours in (0, 3):
        world.set_clock(now + timedelta(hours=hours))
        for number, owner in enumerate((alice, bob, chloe)):
            earn(owner, 250 + number, now=now)
            pay_now(owner=owner, currency=owner.currency, now=now)
        assert send_due_payouts(now=now, limit=10) == 3
    world.set_clock(now + timedelta(days=1))
    return list(Payout.objects.order_by("pk"))


def messages(world: StripeWorld, payouts: list[Payout], count: int) -> list[bytes]:
    """Return `count` true messages, each with an id of its own, in the order in which things happened."""
    bodies: list[bytes] = []
    while len(bodies) < count:
        for payout in payouts:
            bodies.append(snapshot("transfer.created", payout.external_id))
            bodies.append(thin("v2.core.account[requirements].updated", payout.destination))
        for destination in sorted({payout.destination for payout in payouts}):
            for bank in reversed(world.bank_payouts(destination)):
                kind = "payout.failed" if bank["status"] == "failed" else "payout.paid"
                bodies.append(snapshot("payout.created", bank["id"], account=destination))
                bodies.append(snapshot(kind, bank["id"], account=destination))
    return bodies[:count]


def state() -> list[Any]:
    """Return everything that messages may change."""
    names = ("pk", "state", "external_id", "payment_id", "bank_payout_id", "failure")
    rows = Payout.objects.order_by("pk").values_list(*names)
    return [*rows, *PayoutAccount.objects.order_by("pk").values_list("pk", "state", "is_paused")]


def apply_all(now: datetime) -> None:
    while WebhookEvent.objects.filter(applied_at__isnull=True).exists():
        assert apply_due_webhooks(now=now, limit=500)


def forge(body: bytes, dice: random.Random) -> tuple[bytes, str]:
    """Return a message that the processor never sent: another's signature, a changed body, an old one, or none."""
    stolen = snapshot("payout.failed", f"po_{uuid.uuid4().hex}", account="acct_1")
    return dice.choice(
        [
            (stolen, sign(stolen, secret="whsec_somebody_elses")),
            (stolen, sign(body)),
            (body + b" ", sign(body)),
            (stolen, sign(stolen, age_seconds=301)),
            (stolen, "t=1,v1=00"),
            (stolen, ""),
        ]
    )


def test_storm_ends_where_once_in_order_ends(world: StripeWorld, payouts: list[Payout], now: datetime) -> None:
    dice = random.Random(SEED)  # noqa: S311 - a test's dice, repeatable by its seed
    bodies = messages(world, payouts, PUSHED // TIMES)
    before = {payout.pk: payout for payout in payouts}
    for body in bodies:
        receive_webhook(raw_body=body, signature=sign(body), now=now)
    apply_all(now)
    wanted = state()
    assert {"paid", "bank_failed"} <= {row[1] for row in wanted}

    WebhookEvent.objects.all().delete()
    for payout in before.values():
        payout.save()
    storm = [(body, sign(body)) for body in bodies * TIMES]
    forged = [forge(dice.choice(bodies), dice) for _ in range(max(1, len(storm) // FORGED_IN))]
    everything = [*((body, signature, True) for body, signature in storm), *((*one, False) for one in forged)]
    dice.shuffle(everything)
    for number, (body, signature, is_true) in enumerate(everything):
        if is_true:
            receive_webhook(raw_body=body, signature=signature, now=now)
        else:
            with pytest.raises(UnableToReceive):
                receive_webhook(raw_body=body, signature=signature, now=now)
        if number % 97 == 0:
            apply_due_webhooks(now=now, limit=dice.randint(1, 60))
    apply_all(now)

    assert state() == wanted, f"seed {SEED}"
    assert WebhookEvent.objects.count() == len(bodies)
    assert all(len(world.transfers(payout.public_id)) == 1 for payout in payouts)
    assert ledger.check() == []
