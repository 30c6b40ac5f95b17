"""The kill switch: nothing new is asked or sent, every car is given back, and lifting it takes two."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from foundation import clock
from grid.models import GridEvent
from tests.factories import grid
from tests.factories import vehicles as make
from tests.vehicles.flows.test_commands import ask, ask_discharge
from tests.vehicles.maker_double import MakerDouble
from vehicles.flows import sending
from vehicles.flows.commands import UnableToCommand, release_expired_holds, send_due_commands
from vehicles.flows.stopping import UnableToStop, lift_switch, stop_in_force, throw_switch
from vehicles.models import Command, StopOrder

MINUTE = timedelta(minutes=1)


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_superuser("grace@example.org", "charge-the-grid", name="Grace")


def test_nothing_new_is_asked_for_while_everything_is_stopped(alice: User, ada: User, now: datetime) -> None:
    car = make.ready_car(alice, now=now)
    throw_switch(reason="smoke", made_by=ada, now=now)

    for asking in (ask, ask_discharge):
        with pytest.raises(UnableToCommand) as refused:
            asking(car, now=now)
        assert refused.value.reason_code == "stopped"


def test_what_waits_to_be_sent_is_not_sent(alice: User, ada: User, maker: MakerDouble, now: datetime) -> None:
    car = make.ready_car(alice, now=now)
    command = ask(car, now=now)
    # Even a command that the switch did not find, because it was written at the same instant.
    throw_switch(reason="smoke", made_by=ada, now=now)
    Command.objects.filter(pk=command.pk).update(state=Command.State.DUE, released_at=None)

    send_due_commands(now=now, limit=10)

    command.refresh_from_db()
    assert (command.state, command.failure) == (Command.State.REJECTED, "stopped")
    assert sum(maker.counts.values()) == 0


def test_switch_counts_up_to_the_statement_before_the_call(
    alice: User, ada: User, maker: MakerDouble, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is thrown after the sender has looked whether the car may be held, before it claims the command."""
    command = ask(make.ready_car(alice, now=now), now=now)

    def looked(commands: list[Command], **_named: Any) -> list[Command]:
        StopOrder.objects.create(reason="smoke", made_by=ada, made_at=now)
        return commands

    monkeypatch.setattr(sending, "_may_still_go", looked)
    send_due_commands(now=now, limit=10)

    command.refresh_from_db()
    assert (command.state, command.attempts) == (Command.State.DUE, 0)
    assert sum(maker.counts.values()) == 0


def test_every_held_car_is_given_back_what_gives_energy_first(
    alice: User, bob: User, charlie: User, ada: User, now: datetime
) -> None:
    held = make.command(make.ready_car(alice, now=now), now=now)
    giving = make.command(make.ready_car(bob, now=now), now=now, kind="discharge", power_w=-9_600)
    over = make.command(make.ready_car(charlie, now=now), now=now, ends_at=now - MINUTE, ended_by="car")

    throw_switch(reason="smoke", made_by=ada, now=now)
    throw_switch(reason="smoke again", made_by=ada, now=now)

    resumes = Command.objects.filter(kind="resume").order_by("pk")
    assert [resume.vehicle_id for resume in resumes] == [giving.vehicle_id, held.vehicle_id]
    assert [(resume.switch_w, resume.reason) for resume in resumes] == [(0, "stopped")] * 2
    assert not resumes.filter(vehicle=over.vehicle).exists()
    assert StopOrder.objects.count() == 1


def test_watchdog_gives_back_what_the_switch_did_not_see(alice: User, ada: User, maker: MakerDouble) -> None:
    now = clock.now()
    StopOrder.objects.create(reason="smoke", made_by=ada, made_at=now)
    make.command(make.ready_car(alice, now=now), now=now)

    release_expired_holds(now=now)

    assert Command.objects.get(kind="resume").state == Command.State.ACCEPTED


def test_lifting_takes_two_people(ada: User, grace: User, alice: User, now: datetime) -> None:
    order = throw_switch(reason="smoke", made_by=ada, now=now)

    with pytest.raises(UnableToStop):
        lift_switch(order=order, by=alice, now=now)
    assert lift_switch(order=order, by=ada, now=now).lifted_at is None
    with pytest.raises(UnableToStop) as refused:
        lift_switch(order=order, by=ada, now=now)
    assert refused.value.reason_code == "same_person"
    assert stop_in_force() == order

    lift_switch(order=order, by=grace, now=now)

    assert stop_in_force() is None
    throw_switch(reason="again", made_by=ada, now=now)


@pytest.mark.parametrize("reason", ["", "  "])
def test_switch_needs_a_reason_and_staff(reason: str, ada: User, alice: User, now: datetime) -> None:
    with pytest.raises(UnableToStop):
        throw_switch(reason=reason, made_by=ada, now=now)
    with pytest.raises(UnableToStop):
        throw_switch(reason="smoke", made_by=alice, now=now)


def test_command_stops_cars_and_events_without_a_broker(
    alice: User, ada: User, grace: User, maker: MakerDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    now = clock.now()
    make.command(make.ready_car(alice, now=now), now=now)
    event = grid.event(now=now, state="announced", starts_at=now - MINUTE, ends_at=now + 60 * MINUTE)

    call_command("stop_all", by="ada@example.org", reason="smoke")

    assert "1 of 1 releases sent" in capsys.readouterr().out
    event.refresh_from_db()
    assert (event.state, event.ends_at <= clock.now()) == (GridEvent.State.ANNOUNCED, True)
    with pytest.raises(CommandError):
        call_command("stop_all", by="nobody@example.org", reason="smoke")
    call_command("stop_all", "--lift", by="ada@example.org")
    call_command("stop_all", "--lift", by="grace@example.org")
    assert stop_in_force() is None


def test_two_clicks_in_the_admin(client: Client, alice: User, ada: User, grace: User) -> None:
    now = clock.now()
    make.command(make.ready_car(alice, now=now), now=now)
    page = "/admin/vehicles/stoporder/turn/"
    client.force_login(ada)

    assert b"Stop everything" in client.get(page).content
    assert StopOrder.objects.count() == 0
    client.post(page, {"to": "stop", "reason": ""})
    assert StopOrder.objects.count() == 0
    client.post(page, {"to": "stop", "reason": "smoke"})
    assert (StopOrder.objects.get().reason, Command.objects.filter(kind="resume").count()) == ("smoke", 1)
    client.post(page, {"to": "go"})
    client.post(page, {"to": "go"})
    assert stop_in_force() is not None
    client.force_login(grace)
    client.post(page, {"to": "go"})
    assert stop_in_force() is None
    support = User.objects.create_user("sue@example.org", "charge-the-grid", is_staff=True)
    client.force_login(support)
    assert client.get(page).status_code == 403
