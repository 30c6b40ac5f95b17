"""Utilities' servers: what they ask becomes events, changes are followed, and silence ends nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Notice, User
from foundation import clock
from grid.flows.events.announcing import announce_due_events
from grid.flows.operators import operators
from grid.models import EventParticipation, GridEvent, OperatorEvent, OperatorLink, OperatorProgram, SeriesPoint
from tests.factories import grid as make
from tests.grid.flows.operators.pretend_vtn import HOUR, Vtn, poll, program, standing, vtn

__all__ = ["program", "vtn"]  # fixtures

pytestmark = pytest.mark.django_db


def test_ask_becomes_an_event_and_asking_again_changes_nothing(
    vtn: Vtn, program: OperatorProgram, now: datetime
) -> None:
    vtn.ask()
    assert poll(now) == 1
    assert standing() == [("hold", now + 2 * HOUR, now + 3 * HOUR, 20_000)]
    assert poll(now + HOUR) == 1
    assert GridEvent.objects.get().version == 1
    link = OperatorLink.objects.get()
    assert (link.heard_at, link.ven_id, link.failures) == (now + HOUR, "v-1", 0)
    assert link.next_poll_at == now + HOUR + timedelta(seconds=60)


def test_owners_hear_of_it_like_of_any_event(vtn: Vtn, program: OperatorProgram, now: datetime, alice: User) -> None:
    vtn.ask()
    poll(now)
    announce_due_events(now=now, limit=5)
    assert EventParticipation.objects.get().enrollment.vehicle.owner == alice
    vtn.ask(ahead=3)
    poll(now)
    assert standing() == [("hold", now + 3 * HOUR, now + 4 * HOUR, 20_000)]
    kinds = set(Notice.objects.values_list("kind", flat=True))
    assert {"event_announced", "event_changed"} <= kinds
    vtn.ask(ahead=3, target_kw=30.0)
    poll(now)
    assert Notice.objects.filter(kind="event_changed").count() == 1  # more power of the group is no news to an owner


@pytest.mark.parametrize("how", ["delete", "shrink", "no intervals"])
def test_called_off_in_each_way_the_protocol_knows(vtn: Vtn, program: OperatorProgram, now: datetime, how: str) -> None:
    event = vtn.ask()
    poll(now)
    if how == "delete":
        vtn.events.clear()
    else:
        change: dict[str, Any] = {"intervals": []} if how == "no intervals" else {}
        period = event["intervalPeriod"] | ({"duration": "PT0S"} if how == "shrink" else {})
        stamp = {"modificationDateTime": (now + HOUR).isoformat()}
        vtn.events["e0"] = event | {"intervalPeriod": period} | change | stamp
    poll(now + timedelta(minutes=5))
    assert standing() == []
    row = OperatorEvent.objects.get()
    assert row.state == ("gone" if how == "delete" else "read")
    assert GridEvent.objects.get().cancel_reason == "called off by the utility"


def test_event_under_way_ends_when_it_is_called_off(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask()
    poll(now)
    announce_due_events(now=now, limit=5)
    vtn.events.clear()
    middle = now + 2.5 * HOUR
    poll(middle)
    event = GridEvent.objects.get()
    assert (event.state, event.ends_at) == ("announced", middle)


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403])
def test_server_that_fails_calls_nothing_off(vtn: Vtn, program: OperatorProgram, now: datetime, status: int) -> None:
    vtn.ask()
    poll(now)
    vtn.status = status
    assert poll(now + HOUR) == 0
    assert len(standing()) == 1
    link = OperatorLink.objects.get()
    assert link.failures == 1
    assert link.failure
    assert link.lease_until is not None
    assert link.lease_until > clock.wall()
    assert link.heard_at == now


def test_list_that_forgets_an_event_calls_nothing_off(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask()
    poll(now)
    vtn.hidden, vtn.events = vtn.events, {}
    poll(now + HOUR)
    assert (len(standing()), vtn.asked) == (1, ["e0"])


def test_what_is_over_is_not_asked_about_again(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask()
    poll(now)
    vtn.events.clear()
    poll(now + 4 * HOUR)
    assert vtn.asked == []


def test_change_that_cannot_be_read_leaves_what_stood(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    event = vtn.ask()
    poll(now)
    vtn.events["e0"] = event | {"intervalPeriod": {"start": "soon", "duration": "an hour"}}
    vtn.ask("e1", ahead=6)
    poll(now)
    assert [span[1] for span in standing()] == [now + 2 * HOUR, now + 6 * HOUR]
    row = OperatorEvent.objects.get(remote_id="e0")
    assert (row.state, row.questions) == ("unreadable", ["a time is not readable"])


def test_older_copy_changes_nothing(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(hours=2)
    newer = vtn.ask(hours=3)
    poll(now)
    old = newer | {"modificationDateTime": "2026-01-01T00:00:00Z"}
    vtn.events["e0"] = old | {"intervalPeriod": newer["intervalPeriod"] | {"duration": "PT10M"}}
    poll(now)
    assert standing() == [("hold", now + 2 * HOUR, now + 5 * HOUR, 20_000)]


def test_flood_is_refused_whole(vtn: Vtn, program: OperatorProgram, now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr(operators, "MOST_EVENTS", 1)
    vtn.ask()
    poll(now)
    vtn.ask("e1", ahead=8)
    assert poll(now) == 0
    assert (len(standing()), OperatorLink.objects.get().failure) == (1, "unreadable answer")


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"kind": "absorb"}, "allows only"),
        ({"hours": 30}, "last at most"),
        ({"target_kw": 0.0}, ""),
        ({"target_kw": 2_000_000.0}, "at most"),
    ],
)
def test_ask_that_owners_were_not_promised_is_a_question(
    vtn: Vtn, program: OperatorProgram, now: datetime, wish: dict[str, Any], word: str
) -> None:
    program.program.terms.update(kinds=["hold"])
    vtn.ask(**wish)
    poll(now)
    assert standing() == []
    questions = OperatorEvent.objects.get().questions
    assert bool(word) == bool(questions)
    assert word in "".join(questions)


def test_ask_that_has_begun_starts_in_a_minute_and_one_that_is_over_never(
    vtn: Vtn, program: OperatorProgram, now: datetime
) -> None:
    program.program.terms.update(minimum_notice_minutes=0)
    vtn.ask("e0", ahead=-1, hours=3)
    vtn.ask("e1", ahead=-5, hours=1)
    poll(now)
    assert standing() == [("hold", now + timedelta(minutes=1), now + 2 * HOUR, 20_000)]


def test_large_ask_waits_for_an_admin(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(target_kw=6000.0)
    poll(now)
    assert GridEvent.objects.get().state == "draft"


def test_event_under_way_may_end_sooner_or_later(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(hours=2)
    poll(now)
    announce_due_events(now=now, limit=5)
    vtn.ask(hours=3)
    poll(now + 3 * HOUR)
    vtn.ask(hours=1.75)
    poll(now + 3.5 * HOUR)
    assert standing() == [("hold", now + 2 * HOUR, now + 3.75 * HOUR, 20_000)]
    assert GridEvent.objects.get().settle_at > now + 3.75 * HOUR


def test_prices_are_kept_as_a_series(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    event = vtn.ask()
    vtn.events["e0"] = event | {
        "intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": [-0.02]}]}],
        "payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE", "units": "KWH"}],
    }
    poll(now)
    point = SeriesPoint.objects.get()
    assert (point.value, point.unit, point.starts_at) == (-20_000, "USD/kWh", now + 2 * HOUR)
    assert (point.feed.source, point.feed.is_active, standing()) == ("openadr", False, [])


def test_bell_has_the_server_asked_at_once(program: OperatorProgram, now: datetime) -> None:
    OperatorLink.objects.update(next_poll_at=now + HOUR)
    operators.ring(link=program.link, now=now)
    assert OperatorLink.objects.get().next_poll_at == now


def test_one_server_that_breaks_stops_no_other(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask()
    other = make.operator_program(now=now, of=program.program, ven_name="fleet-2", api_base="https://down.test")
    OperatorLink.objects.filter(pk=other.link_id).update(next_poll_at=now - HOUR)
    assert operators.poll_due_operators(now=now, limit=10) == 1
    assert OperatorLink.objects.get(pk=other.link_id).failure == "unreachable"


def test_two_pollers_ask_once(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    OperatorLink.objects.update(lease_until=clock.wall() + HOUR)
    assert operators.poll_due_operators(now=now, limit=10) == 0


def test_events_keep_utc_whatever_zone_the_utility_writes(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    event = vtn.ask()
    start = {"start": "2026-11-18T20:05:00-05:00", "duration": "PT1H"}
    vtn.events["e0"] = event | {"intervalPeriod": start}
    poll(now)
    assert standing()[0][1] == datetime(2026, 11, 19, 1, 5, tzinfo=UTC)
