"""Random lives of group events against a model: opt-outs, controls, late data, objections, sweeps that die."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from grid.flows.settlement import groups
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import EventParticipation, GridEvent, GroupSettlement, Settlement
from rewards import ledger
from rewards.flows.corrections import corrections_account
from rewards.models import LedgerAccount
from tests.grid.flows.settlement.group_events import event, owner, take_part, took

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HOUR = timedelta(hours=1)
BASELINE = 22_600
LIVES = 60 if os.environ.get("CHARGESCAPE_FULL") else 3
State, Review = EventParticipation.State, GroupSettlement.Review


@dataclass
class Car:
    """What the model knows of one car: its weight, what it took, whether it was told yet, what its owner was paid."""

    part: EventParticipation
    weight: int
    wh: int
    is_told: bool
    is_out: bool = False
    paid: int = 0


@dataclass
class Model:
    """The group as somebody with a pencil keeps it."""

    cars: list[Car] = field(default_factory=list)

    def amount(self) -> int:
        treated = [car for car in self.cars if car.part.state == State.IN and not car.is_out]
        known = [BASELINE - car.wh for car in treated if car.is_told]
        if not known:
            return 0
        exact = sum(known) * len(treated) / len(known)
        return max(0, round(round(exact) * 0.2))

    def weights(self) -> list[float]:
        treated = [car for car in self.cars if car.part.state == State.IN and not car.is_out]
        mean = sum(car.weight for car in treated) / max(1, len(treated))
        return [
            0 if car.is_out else mean if car.part.state == State.CONTROL else car.weight if car in treated else 0
            for car in self.cars
        ]


@pytest.mark.parametrize("seed", range(LIVES))
def test_life_of_a_group_agrees_with_the_model(seed: int, now: datetime) -> None:
    dice = random.Random(seed)  # noqa: S311 - a fixed life
    of, model = event(now=now, objection_hours=dice.choice([0, 24])), Model()
    for number in range(dice.randint(2, 5)):
        state = dice.choices([State.IN, State.CONTROL, State.OPTED_OUT], [6, 1, 1])[0]
        weight, wh = dice.randint(1, 20_000), 8 * dice.randint(0, 3_500)
        part = take_part(of, owner(number), now=now, state=state, committed=weight)
        car = Car(part, weight, wh, is_told=dice.random() < 0.7)
        if car.is_told:
            took(part, wh)
        if state != State.OPTED_OUT:
            model.cars.append(car)
    at = of.ends_at + 24 * HOUR
    GridEvent.objects.update(settle_at=at)
    settle_due(now=at, limit=10)
    for _step in range(dice.randint(1, 4)):
        check(of, model)
        at += 30 * HOUR
        live_on(of, model, dice, at)
        if of.terms.objection_hours and dice.random() < 0.5:
            post_due_settlements(now=at, limit=100)
            GroupSettlement.objects.filter(review=Review.OPEN).update(
                review=dice.choice([Review.APPROVED, Review.LAPSED])
            )
        post_due_settlements(now=at, limit=100)
    check(of, model)
    GroupSettlement.objects.filter(review=Review.OPEN).update(review=Review.LAPSED)
    post_due_settlements(now=at, limit=100)
    check_money(of, model)


def live_on(of: GridEvent, model: Model, dice: random.Random, at: datetime) -> None:
    """Let late readings come, or an objection take a car out."""
    silent = [car for car in model.cars if not car.is_told]
    if silent and dice.random() < 0.7:
        car = dice.choice(silent)
        took(car.part, car.wh, fetched_at=at - HOUR)
        car.is_told = True
        before = GroupSettlement.objects.count()
        settle_due(now=at, limit=10)
        if GroupSettlement.objects.count() == before:  # too little to restate it: an objection states it anew
            groups.correct_group(event=of, reason="asked", now=at)
    elif model.cars and dice.random() < 0.6:
        car = dice.choice(model.cars)
        car.is_out = True
        groups.correct_group(event=of, reason="upheld", now=at, excluded_cars=[car.part.public_id])


def check(of: GridEvent, model: Model) -> None:
    """Compare the newest revision with the model: its amount, and each car's share to the cent."""
    group = GroupSettlement.objects.filter(event=of).order_by("-revision").first()
    assert group is not None
    amount = model.amount()
    assert abs(group.amount_minor - amount) <= 1
    shares = Settlement.objects.filter(group=group)
    assert sum(shares.values_list("amount_minor", flat=True)) == group.amount_minor
    weights = model.weights()
    for car, weight in zip(model.cars, weights, strict=True):
        own = shares.get(participation=car.part).amount_minor
        assert abs(own - group.amount_minor * weight / (sum(weights) or 1)) <= 1
    reviews = Counter(GroupSettlement.objects.filter(event=of).values_list("review", flat=True))
    assert reviews[Review.REPLACED] == sum(reviews.values()) - 1


def check_money(of: GridEvent, model: Model) -> None:
    """Every owner has at least the newest share, the utility owes the newest result, the platform the difference."""
    group = GroupSettlement.objects.filter(event=of).order_by("-revision")[0]
    paid = 0
    for car in model.cars:
        person = car.part.enrollment.vehicle.owner
        balance = ledger.owner_balance(person, "USD").posted_minor
        newest = Settlement.objects.filter(participation=car.part).order_by("-revision")[0].amount_minor
        assert balance >= newest
        assert ledger.owner_expected(person, "USD") == 0
        paid += balance
    owed = -ledger.balance(ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, "lone-star", "USD")).posted_minor
    assert owed == group.amount_minor
    assert -ledger.balance(corrections_account("USD")).posted_minor == paid - owed
    assert ledger.check() == []
