"""Webhooks in trouble, as the sandbox makes it: forged, repeated, in disorder, late, or not coming for a while."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from accounts.models import User
from tests.vehicles.makers.conftest import MINUTE, Ear, World, open_ear
from vehicles.flows.pushes import receive_push
from vehicles.flows.telemetry import latest_reading
from vehicles.models import ChargeReading, Vehicle

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("db")]
CARS = {"honda": "hnd-5b0c1c7de2f94f0a8d21c4a7e9", "smartcar": "5ca1ab1e0001400080000000000000a1"}


class Pushing:
    """A linked car whose maker pushes to an ear."""

    def __init__(self, maker: str, owner: User, world: World, ear: Ear) -> None:
        self.maker, self.world, self.ear = maker, world, ear
        world.break_maker(maker, revokeGrantsOf=f"alice@{maker}.sandbox")  # each grant in force is told of every change
        link = world.link(owner, maker, vehicle_ids=[CARS[maker]])
        self.car: Vehicle = world.take_part(link)[CARS[maker]]
        self.listen()
        ear.wait(self.states)  # a new consent tells everything once

    def listen(self, **troubles: object) -> None:
        """Have the maker push, with troubles."""
        self.world.break_maker(self.maker, webhooks={"url": self.ear.url, **troubles})

    def change(self, soc_percent: int) -> None:
        """Let a minute pass, and the car's charge change."""
        self.world.step(MINUTE)
        self.world.sandbox.control("PATCH", f"cars/{CARS[self.maker]}", socPercent=soc_percent)

    def states(self) -> list[tuple[int, datetime]]:
        """Return the charges pushed for the car so far, with the car's own times."""
        told = [push.state for push in self.ear.pushes if push.external_id == CARS[self.maker] and push.state]
        charges = [state.soc_percent for state in told]
        return [(round(charge.value), charge.observed_at) for charge in charges if charge is not None]

    def has_said(self, soc_percent: int) -> bool:
        """Say whether this charge was pushed."""
        return soc_percent in [soc for soc, _ in self.states()]


@pytest.fixture(params=sorted(CARS))
def pushing(request: pytest.FixtureRequest, alice: User, evening: World) -> Iterator[Pushing]:
    with open_ear(request.param) as ear:
        yield Pushing(request.param, alice, evening, ear)
        evening.break_maker(request.param, webhooks={})


def test_forged_push_is_refused_and_comes_again_genuine(pushing: Pushing) -> None:
    pushing.listen(badSignature=True)
    pushing.change(71)
    pushing.ear.wait(lambda: pushing.ear.refused)
    assert not pushing.has_said(71)

    pushing.listen()
    pushing.ear.wait(lambda: pushing.has_said(71))


def test_pushes_of_an_outage_come_afterwards(pushing: Pushing) -> None:
    pushing.listen(outage=True)
    pushing.change(72)
    pushing.ear.wait(lambda: any(row["failure"] for row in _deliveries(pushing)))
    assert not pushing.has_said(72)

    pushing.listen(lateSeconds=0.5)
    pushing.ear.wait(lambda: pushing.has_said(72))


def test_disorder_and_repeats_leave_the_newest_reading(pushing: Pushing) -> None:
    now, first = pushing.world.now, len(pushing.ear.heard)
    pushing.listen(outOfOrder=True, twice=True)
    pushing.change(73)
    pushing.ear.wait(lambda: any(row["waiting"] for row in _deliveries(pushing)))  # it waits for a second one
    pushing.change(74)
    pushing.ear.wait(lambda: sum(soc in {73, 74} for soc, _ in pushing.states()) >= 4)

    assert next(soc for soc, _ in pushing.states() if soc in {73, 74}) == 74
    for headers, body in pushing.ear.heard[first:]:
        receive_push(maker=pushing.maker, headers=headers, raw_body=body, now=pushing.world.now)
    reading = latest_reading(pushing.car)
    assert reading is not None
    assert reading.soc_percent == 74
    assert ChargeReading.objects.filter(vehicle=pushing.car, observed_at__gt=now + timedelta(seconds=1)).count() <= 2


def _deliveries(pushing: Pushing) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pushing.world.sandbox.control("GET", f"makers/{pushing.maker}/deliveries")
    return rows[:20]
