"""A group's result and an owner's share of it are computed again by the stand-alone script, and tampering is found."""

import copy
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from chargescape import proof
from chargescape.proof import proof_bundle
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import EventParticipation, GroupSettlement
from rewards import proofs
from tests.grid.flows.settlement.group_events import event, owner, take_part, took
from tests.proof.test_verify import Bundle, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle(alice: User, now: datetime) -> Bundle:
    """Alice's car in a group of three, one of them a control; the credit was pending, and the result stands."""
    of = event(now=now, objection_hours=24, baseline_version=2)
    for number, (one, wh) in enumerate(((alice, 3_000), (owner(1), 26_000), (owner(2), 22_600))):
        state = EventParticipation.State.CONTROL if number == 2 else EventParticipation.State.IN
        frozen = {"noticed_at": now.isoformat(), "limit_percent": "90.00", "stay": None}
        took(take_part(of, one, now=now, committed=1_000 * (number + 1), state=state, frozen=frozen), wh)
    settle_due(now=of.settle_at, limit=10)
    post_due_settlements(now=of.settle_at, limit=10)
    GroupSettlement.objects.update(review=GroupSettlement.Review.APPROVED)
    post_due_settlements(now=of.settle_at, limit=10)
    proofs.seal_transfers(limit=100)
    return proof_bundle(owner=alice, now=of.settle_at)


def test_group_and_share_are_confirmed_and_nobody_else_is_named(bundle: Bundle, tmp_path: Path) -> None:
    assert verify(tmp_path, bundle)[0] == 0
    (group,), (own,) = bundle["groups"], bundle["settlements"]
    assert group["evidence"]["members"]["roles"].count("t") == 2
    assert own["group"] == group["id"]
    assert [row["kind"] for row in bundle["transfers"]] == ["pending", "post"]
    others = EventParticipation.objects.exclude(public_id=own["participation"])
    for part in others:
        assert str(part.public_id) not in str(bundle)
        assert str(part.enrollment.vehicle.owner.public_id) not in str(bundle)


def _group(path: str, change: Callable[[Any], Any]) -> Callable[[Bundle], None]:
    def tamper(bundle: Bundle) -> None:
        *steps, last = path.split(".")
        place = bundle["groups"][0]
        for step in steps:
            place = place[step]
        place[last] = change(place[last])

    return tamper


def _share(bundle: Bundle) -> None:
    one = bundle["settlements"][0]
    one["share"]["weight"] += 1


@pytest.mark.parametrize(
    "tamper",
    [
        _group("amount_minor", lambda old: old + 1),
        _group("evidence.members.net_wh", lambda old: [wh + 5_000 for wh in old]),
        _group("evidence.members.weights_wh", lambda old: [9 * weight + 1 for weight in old]),
        _group("evidence.reward.rate_micros_per_kwh", lambda old: old * 2),
        _group("evidence.method.name", lambda _old: "metered-output"),
        _share,
        lambda bundle: bundle["groups"].clear(),
    ],
    ids=["amount", "members' energy", "members' weights", "rate", "method", "own weight", "group left out"],
)
def test_tampering_with_a_group_is_found(tamper: Callable[[Bundle], None], bundle: Bundle, tmp_path: Path) -> None:
    changed = copy.deepcopy(bundle)
    tamper(changed)
    assert verify(tmp_path, changed)[0] == 1


def test_very_large_group_is_told_by_its_hash_and_the_share_still_proven(
    bundle: Bundle, alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setattr(proof, "MOST_MEMBERS", 2)
    short = proof_bundle(owner=alice, now=datetime.fromisoformat(bundle["made_at"]))
    assert short["groups"][0]["evidence"]["members"]["count"] == 3
    assert verify(tmp_path, short)[0] == 0
    short["settlements"][0]["amount_minor"] += 1
    assert verify(tmp_path, short)[0] == 1
