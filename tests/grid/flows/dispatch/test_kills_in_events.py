"""Kills at random moments of events: real flows, database, commands and leases, and cars with batteries.

Real: every sweep and the watchdog's round, the database, claims, leases and keys, the adapters' HTTP calls, car
physics and meters. Simulated: processes (a kill stops a sweep at a random statement or call, nothing of it is cleaned
up, and the part stays dead for a while, or everything for good), the clock, and the makers' clouds, which are doubles
behind the HTTP door. Cars may obey late, owners drive away and come back, and grants end and are given again.
`tests/journeys/test_kills.py` kills real processes.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine

from accounts.models import User
from tests.grid.event_evening import FOR_GOOD, KINDS, QUARTER, Evening, Tally
from tests.grid.ford_car import SETTINGS
from tests.grid.mortal_cars import MortalCar
from tests.vehicles.tesla_double import CREDENTIALS
from vehicles.models import Vehicle

KILLS = int(os.environ.get("EVENT_KILLS", "1000" if os.environ.get("CHARGESCAPE_FULL") else "12"))
SEED = int(os.environ.get("EVENT_KILLS_SEED", "7"))
BEGINS = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)


@pytest.fixture
def world(settings: Any, now: datetime) -> Iterator[tuple[responses.RequestsMock, time_machine.Traveller]]:
    settings.AUTOMAKERS = {"ford": SETTINGS, "tesla": CREDENTIALS}
    with time_machine.travel(now, tick=False) as traveller, _door() as door:
        yield door, traveller
    MortalCar.is_maker_dead = False


@contextmanager
def _door() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        yield door


def play(world: Any, *, dice: random.Random, tally: Tally, most: int) -> None:
    """Play one evening more, with four new owners."""
    at = BEGINS + timedelta(days=tally.histories)
    Vehicle.objects.update(state=Vehicle.State.UNLINKED, next_read_at=None)
    mails = [f"kills-{tally.histories}-{kind}@example.org" for kind in KINDS]
    owners = [User.objects.create_user(mail, "charge-the-grid", time_zone="America/Chicago") for mail in mails]
    world[1].move_to(at)
    world[0].reset()
    evening = Evening(owners, now=at, dice=dice, tally=tally, world=world, most=most)
    evening.live()
    evening.leave()
    tally.histories += 1


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.django_db(transaction=True)  # a kill rolls back what it interrupts, and that alone
def test_whatever_is_killed_cars_are_freed_reserves_kept_and_departures_made(world: Any) -> None:
    dice, tally = random.Random(SEED), Tally()  # noqa: S311 - a seed plays a history again
    while tally.kills.total() < KILLS:
        play(world, dice=dice, tally=tally, most=KILLS)
        print(f"seed {SEED}: {tally}", flush=True)

    assert tally.broken == []
    assert tally.kills.total() >= KILLS
    assert tally.inside > KILLS // 4
    assert all(tally.told[kind] > tally.histories for kind in KINDS)
    assert tally.discharged > 0
    assert tally.late["timed, after its last command"] <= QUARTER
    assert tally.kills[FOR_GOOD]
    assert tally.held_at_loss
    assert KILLS < 500 or all(tally.held_at_loss[kind] for kind in KINDS), "a class was never held when everything died"
    assert KILLS < 500 or tally.unplugged
