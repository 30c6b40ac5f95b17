"""Fixtures of whole nights: time that stands until a test lets it pass, and cars at their plugs."""

from collections.abc import Iterator
from datetime import datetime

import pytest
import time_machine

from accounts.models import User
from tests.factories import vehicles as make
from tests.vehicles.flows.night import Night
from tests.vehicles.maker_double import MakerDouble
from vehicles.models import Vehicle


@pytest.fixture
def night(now: datetime) -> Iterator[Night]:
    with time_machine.travel(now, tick=False) as traveller:
        yield Night(traveller)


@pytest.fixture
def truck(alice: User, night: Night, maker: MakerDouble) -> Vehicle:
    """A timed car, at its plug."""
    return make.ready_car(alice, now=night.now)


@pytest.fixture
def sedan(alice: User, night: Night, maker: MakerDouble) -> Vehicle:
    """A start/stop car, at its plug."""
    return make.ready_car(alice, now=night.now, can=make.START_STOP)
