"""Fixtures of the car room: a maker on the HTTP door, a counting maker on loopback, time standing at `now`."""

from collections.abc import Iterator
from datetime import datetime

import pytest
import responses
import time_machine

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble, credentials, maker_double
from vehicles.models import Vehicle

BASE = "https://maker.test"


@pytest.fixture(autouse=True)
def _ford_settings(settings: object) -> None:
    settings.AUTOMAKERS = {"ford": credentials(BASE)}  # type: ignore[attr-defined]


@pytest.fixture
def at_now(now: datetime) -> Iterator[time_machine.Traveller]:
    """Let real time stand at `now` until a test moves it."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def door() -> Iterator[responses.RequestsMock]:
    """The HTTP door: answers what a test registered, refuses everything else."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def maker(settings: object) -> Iterator[MakerDouble]:
    """A counting Ford-like cloud on loopback."""
    with maker_double() as (double, access):
        settings.AUTOMAKERS = {"ford": access}  # type: ignore[attr-defined]
        yield double


@pytest.fixture
def timed_car(alice: User, at_now: time_machine.Traveller, now: datetime) -> Vehicle:
    """Alice's car that ends holds by itself and can give energy back, at its home plug."""
    return make.ready_car(alice, now=now)


@pytest.fixture
def stop_car(alice: User, at_now: time_machine.Traveller, now: datetime) -> Vehicle:
    """Alice's car that knows start and stop alone, at its home plug."""
    return make.ready_car(alice, now=now, can=make.START_STOP, model="Mustang Mach-E")
