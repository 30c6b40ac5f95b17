"""Workers that stop in mid work, for minutes, and then go on: what they meant to do may be wrong by then."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.flows.night import MINUTE, Night
from tests.vehicles.flows.test_commands import ask
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows import releases, sending, switching
from vehicles.flows.commands import send_due_commands
from vehicles.flows.preferences import charge_now
from vehicles.flows.stopping import throw_switch
from vehicles.models import Command, SwitchLimit, Vehicle

pytestmark = pytest.mark.once


def stop_before_the_call(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let the next hold's sender stop between its claim and its call, and let the world go on meanwhile."""
    calls = sending._call
    was_stopped: list[bool] = []

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


@pytest.mark.postgres
@pytest.mark.skipif("postgres" not in connection.vendor, reason="SQLite lets one writer in at a time")
@pytest.mark.django_db(transaction=True)
def test_kill_switch_and_a_sender_that_gives_turns_do_not_wait_for_each_other(alice: User, ada: User) -> None:
    """Both write many commands, the one by when they are due, the other by their number."""
    now = clock.now()
    SwitchLimit.objects.create(group="g", limit_w=1_000_000)
    cars = [make.ready_car(alice, now=now) for _ in range(3)]
    waits = {
        "kind": "resume",
        "ended_by": "nobody",
        "ends_at": None,
        "state": "due",
        "switch_group": "g",
        "switch_w": 9,
    }
    commands = [
        make.command(car, now=now, due_at=now - place * MINUTE, **waits) for place, car in enumerate(cars, start=1)
    ]
    found: list[object] = []

    def run(act: Callable[[], object]) -> threading.Thread:
        def on_its_own() -> None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET enable_seqscan = off")  # as with a year's commands
                    cursor.execute("SET enable_bitmapscan = off")
                found.append(act())
            except DatabaseError as error:
                found.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=on_its_own)
        thread.start()
        return thread

    with transaction.atomic():
        Command.objects.select_for_update().get(pk=commands[1].pk)
        stopping = run(lambda: throw_switch(reason="smoke", made_by=ada, now=now))
        time.sleep(0.3)
        giving = run(lambda: switching.give_turns(now=now))
        time.sleep(0.3)
    for thread in (stopping, giving):
        thread.join(20)
    assert not [one for one in found if isinstance(one, DatabaseError)], found
    assert len(found) == 2


def test_turn_given_by_a_late_sender_holds_up_no_release_that_somebody_waits_for(
    sedan: Vehicle, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    SwitchLimit.objects.create(group="g", limit_w=100_000, free_at=night.now + 5 * MINUTE)
    make.command(sedan, now=night.now, switch_group="g", charge_w=11_300)
    resume = releases.release_vehicle(vehicle=sedan, reason="plan", now=night.now)
    assert resume is not None
    give = switching._give

    def give_late(*args: Any, **named: Any) -> None:
        charge_now(vehicle=sedan, now=night.now)
        give(*args, **named)

    monkeypatch.setattr(switching, "_give", give_late)
    assert switching.give_turns(now=night.now) == 1
    resume.refresh_from_db()
    assert (resume.switch_w, resume.due_at) == (0, night.now)
