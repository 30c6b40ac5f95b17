"""Workers that stop in mid work, for minutes, and then go on: what they meant to do may be wrong by then."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.vehicles.flows.night import MINUTE, Night
from tests.vehicles.flows.test_commands import ask
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows import sending
from vehicles.flows.commands import send_due_commands
from vehicles.flows.preferences import charge_now
from vehicles.models import Command, Vehicle

pytestmark = pytest.mark.once


def stop_before_the_call(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let the next hold's sender stop between its claim and its call, and let the world go on meanwhile."""
    calls, was_stopped = sending._call, []  # noqa: SLF001 - the door between claim and call

    def call(claimed: Any) -> Any:
        if claimed.command.kind == Command.Kind.HOLD and not was_stopped:
            was_stopped.append(True)
            meanwhile()
        return calls(claimed)

    monkeypatch.setattr(sending, "_call", call)


def test_stop_is_not_sent_by_a_sender_that_slept_while_the_owner_took_the_car_back(
    sedan: Vehicle, maker: MakerDouble, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(sedan, night.now)

    def meanwhile() -> None:
        night.traveller.shift(3 * MINUTE)
        charge_now(vehicle=sedan, now=night.now)
        night.pass_by(5 * MINUTE)
        assert maker.is_charging.get(sedan.external_id, True)

    stop_before_the_call(monkeypatch, meanwhile)
    send_due_commands(now=night.now, limit=10)

    assert maker.counts["stopCharge"] == 0
    assert maker.is_charging.get(sedan.external_id, True)
