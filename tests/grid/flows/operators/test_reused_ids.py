"""A server that begins to count its events anew: an old name may stand for a new event, never for an old message."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from grid.flows.operators import operators
from grid.flows.operators.following import follow
from grid.models import GridEvent, OperatorEvent, OperatorLink, OperatorProgram
from tests.factories import grid as make
from tests.grid.operators.test_openadr2b_asking import record, signal

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
