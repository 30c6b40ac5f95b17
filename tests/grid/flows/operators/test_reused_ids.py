"""Old names and old lists: a name may stand for a new event, never for an old message, and a late list for nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.operators import operators
from grid.flows.operators.following import follow
from grid.models import GridEvent, OperatorEvent, OperatorLink, OperatorProgram
from grid.operators.openadr3.client import VtnClient
from tests.factories import grid as make
from tests.grid.flows.operators.pretend_vtn import Vtn, poll, vtn
from tests.grid.flows.operators.pretend_vtn import program as program_by_3
from tests.grid.operators.test_openadr2b_asking import record, signal

__all__ = ["program_by_3", "vtn"]  # fixtures

DAY = timedelta(days=1)


@pytest.fixture
def program(alice: User, now: datetime) -> OperatorProgram:
    found = make.operator_program(
        now=now, of=make.enrollment(alice, now=now).program, protocol=OperatorLink.Protocol.OPENADR_2_0B
    )
    found.remote_id = "http://utility.test/summer"
    found.save()
    return found


def take(program: OperatorProgram, now: datetime, *, number: int, start: datetime) -> OperatorEvent:
    said = record(signal("SIMPLE", "level", "1", "1"), modificationNumber=str(number), start=start.isoformat())
    row, _ = operators.take_record(program, said, 11_300, now=now)
    follow(program, now=now)
    return row


def test_name_of_an_event_that_is_over_may_stand_for_a_new_one(program: OperatorProgram, now: datetime) -> None:
    starts_at = now + timedelta(hours=2)
    take(program, now, number=3, start=starts_at)
    assert GridEvent.objects.count() == 1

    take(program, now + DAY, number=0, start=starts_at + DAY)

    assert GridEvent.objects.filter(starts_at=starts_at + DAY, state="scheduled").count() == 1


def test_older_message_of_an_event_that_was_called_off_asks_nothing(program: OperatorProgram, now: datetime) -> None:
    starts_at = now + timedelta(hours=2)
    row = take(program, now, number=3, start=starts_at)
    operators.call_off(row, now=now)

    take(program, now, number=2, start=starts_at)

    assert not GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES).exists()


def test_list_that_somebody_read_too_long_ago_brings_nothing_back(
    vtn: Vtn, program_by_3: OperatorProgram, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    vtn.ask()
    poll(now)
    read = VtnClient.events

    def read_and_stand_still(server: VtnClient, *args: Any) -> Any:
        listing = read(server, *args)
        monkeypatch.setattr(VtnClient, "events", read)
        vtn.events.clear()
        poll(now)
        return listing

    monkeypatch.setattr(VtnClient, "events", read_and_stand_still)
    poll(now)

    assert OperatorEvent.objects.get().state == OperatorEvent.State.GONE
    assert not GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES).exists()
