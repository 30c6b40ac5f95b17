"""Ten thousand forced redeliveries of hold and discharge intents lead to no extra command at a counting maker."""

import os
import random
from datetime import timedelta

import pytest
import time_machine

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.flows.test_commands import ask, ask_discharge
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows.commands import confirm_commands, send_due_commands
from vehicles.models import Command, Vehicle

REDELIVERIES = 10_000 if os.environ.get("CHARGESCAPE_FULL") else 120
CARS = 8
A_LIFE = 50  # redeliveries of one intent, at every stage of its life


def redeliver(car: Vehicle, key: str, dice: random.Random) -> None:
    """Do once more what a broker may do twice: ask for the intent, run a sweep, or lose the sender in between."""
    asking = ask_discharge if car.can.can_discharge else ask
    asking(car, clock.now(), key=key, departure_at=None)
    sweep = dice.choice((send_due_commands, confirm_commands, send_due_commands))
    sweep(now=clock.now(), limit=CARS)
    if dice.random() < 0.1:  # the worker dies right after its call; its lease runs out
        sent = Command.objects.filter(vehicle=car, key=key, state=Command.State.ACCEPTED)
        sent.update(state=Command.State.SENDING, lease_until=clock.wall() - timedelta(seconds=1))


@pytest.mark.parametrize("seed", [20261123])
def test_redelivered_intents_reach_the_car_once(alice: User, maker: MakerDouble, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a seed that replays the run
    intents = 0
    with time_machine.travel(clock.wall(), tick=False) as traveller:
        link = make.link(alice, access_expires_at=clock.wall() + timedelta(days=30))
        cars = [
            make.ready_car(alice, now=clock.now(), can=can, of=link)
            for can in (make.TIMED, make.START_STOP) * (CARS // 2)
        ]
        done = 0
        while done < REDELIVERIES:
            traveller.shift(timedelta(minutes=20))  # the intents before are over
            Command.objects.filter(released_at__isnull=True).update(released_at=clock.now())
            Command.objects.filter(state__in=Command.UNFINISHED).update(state=Command.State.TIMED_OUT)
            for car in cars:
                make.reading(car, at=clock.now())
            keys = {car.pk: f"intent-{intents}-{car.pk}" for car in cars}
            intents += 1
            for _ in range(min(A_LIFE * CARS, REDELIVERIES - done)):
                redeliver(car := dice.choice(cars), keys[car.pk], dice)
                done += 1
    told = maker.counts["POST setpoint"] + maker.counts["stopCharge"]
    sent = Command.objects.risk_adding().exclude(sent_at__isnull=True).count()
    assert done == REDELIVERIES
    assert told == sent
    assert sent <= intents * CARS
    assert maker.counts["POST setpoint"] == len({key for key in maker.keys if key})
