"""Utilities' servers: what they ask becomes events, changes are followed, and silence ends nothing."""

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from accounts.models import Notice, User
from foundation import clock
from grid.flows import operators
from grid.flows.announcing import announce_due_events
from grid.models import EventParticipation, GridEvent, OperatorEvent, OperatorLink, OperatorProgram, SeriesPoint
from sandbox.vtn.events import word_event
from tests.factories import grid as make
from tests.openadr3_spec import judge

pytestmark = pytest.mark.django_db
BASE = "https://vtn.test/openadr3/3.1.0"
HOUR = timedelta(hours=1)


class Vtn:
    """A utility's server of one program, at the HTTP door; `events` are what it lists, `hidden` what it forgot to."""

    def __init__(self, door: responses.RequestsMock, now: datetime) -> None:
        self.now = now
        self.events: dict[str, dict[str, Any]] = {}
        self.hidden: dict[str, dict[str, Any]] = {}
        self.status = 200
        self.asked: list[str] = []
        self.changes = 0
        door.add("POST", f"{BASE}/auth/token", json={"access_token": "t"})
        door.add("GET", f"{BASE}/vens", json=[{"id": "v-1", "venName": "fleet-1"}])
        door.add("GET", f"{BASE}/resources", json=[])
        door.add("POST", f"{BASE}/resources", json={"id": "r-1"})
        door.add_callback("GET", f"{BASE}/events", self._list)
        for place in range(5):
            door.add_callback("GET", f"{BASE}/events/e{place}", self._single)

    def _list(self, _request: Any) -> tuple[int, dict[str, str], str]:
        return self.status, {}, json.dumps(list(self.events.values()))

    def _single(self, request: Any) -> tuple[int, dict[str, str], str]:
        identity = request.url.rpartition("/")[2]
        self.asked.append(identity)
        found = (self.events | self.hidden).get(identity)
        return (404, {}, "{}") if found is None else (200, {}, json.dumps(found))

    def ask(self, identity: str = "e0", *, ahead: float = 2, hours: float = 1, **changes: Any) -> dict[str, Any]:
        """List an event, or change one; `ahead` counts hours from the beginning of the test."""
        wish: dict[str, Any] = {"kind": "hold", "target_kw": 20.0} | changes
        body = word_event(program_id="program-1", starts_at=self.now + ahead * HOUR, length=hours * HOUR, **wish)
        self.changes += 1
        changed_at = self.now + timedelta(seconds=self.changes)
        stamps = {
            "id": identity,
            "createdDateTime": self.now.isoformat().replace("+00:00", "Z"),
            "modificationDateTime": changed_at.isoformat().replace("+00:00", "Z"),
            "objectType": "EVENT",
        }
        self.events[identity] = stamps | body
        judge("event", self.events[identity])
        return self.events[identity]


@pytest.fixture
def vtn(now: datetime) -> Iterator[Vtn]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as door:
        yield Vtn(door, now)


@pytest.fixture
def program(now: datetime, alice: User) -> OperatorProgram:
    enrollment = make.enrollment(alice, now=now)
    make.terms(enrollment.program, now=now)
    return make.operator_program(now=now, of=enrollment.program)


def poll(now: datetime) -> int:
    OperatorLink.objects.update(next_poll_at=None, lease_until=None)
    return operators.poll_due_operators(now=now, limit=10)


def standing() -> list[tuple[str, datetime, datetime, int]]:
    rows = GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES).order_by("starts_at")
    return [(row.kind, row.starts_at, row.ends_at, row.target_w) for row in rows]


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


STEP = timedelta(minutes=75)
MOST_SILENT = 2  # looks in a row that the server does not answer


class Histories:
    """What a utility may do between two looks, and what of it should stand: each event has an hour of its own."""

    def __init__(self, vtn: Vtn, seed: int) -> None:
        self.vtn = vtn
        self.dice = random.Random(seed)  # noqa: S311 - a history to replay
        self.expected: dict[str, tuple[datetime, datetime, int]] = {}
        self.unseen: set[str] = set()  # said since the server last answered

    def act(self, now: datetime) -> None:
        """Do one thing to one event."""
        identity = f"e{self.dice.randrange(5)}"
        known = self.expected.get(identity)
        does = self.dice.choice(["ask", "ask", "delete", "shrink", "break", "forget", "nothing"])
        if does == "ask":
            self._ask(identity, now)
        elif known is None or known[1] <= now or identity not in self.vtn.events:
            return
        elif does == "delete":
            del self.vtn.events[identity], self.expected[identity]
        elif does == "shrink":
            body = self.vtn.events[identity]
            self.vtn.changes += 1
            stamp = self.vtn.now + timedelta(seconds=self.vtn.changes)
            self.vtn.events[identity] = body | {
                "targets": None,
                "intervals": [],
                "modificationDateTime": stamp.isoformat(),
            }
            del self.expected[identity]
        elif identity in self.unseen:
            return  # what was never understood can be neither doubted nor forgotten
        elif does == "break":
            self.vtn.events[identity] = self.vtn.events[identity] | {"targets": 7}
        elif does == "forget":
            self.vtn.hidden[identity] = self.vtn.events.pop(identity)

    def _ask(self, identity: str, now: datetime) -> None:
        slot = self.vtn.now + (6 + 3 * int(identity[1])) * HOUR
        starts_at = slot + timedelta(minutes=self.dice.randrange(60))
        # What is asked or changed too late to reach owners in time is another test's matter.
        soonest = now + (MOST_SILENT + 1) * STEP + timedelta(minutes=20)
        if min(starts_at, self.expected.get(identity, (starts_at,))[0]) <= soonest:
            return
        if identity in self.vtn.hidden:
            self.vtn.events[identity] = self.vtn.hidden.pop(identity)
        hours, target_kw = self.dice.choice([0.5, 1, 1.5]), self.dice.choice([10.0, 20.0, 30.0])
        self.vtn.ask(identity, ahead=(starts_at - self.vtn.now) / HOUR, hours=hours, target_kw=target_kw)
        self.unseen.add(identity)
        self.expected[identity] = (starts_at, starts_at + hours * HOUR, int(target_kw * 1000))


@pytest.mark.parametrize("seed", range(500 if os.environ.get("CHARGESCAPE_FULL") else 25))
def test_random_history_agrees_with_its_model(vtn: Vtn, program: OperatorProgram, now: datetime, seed: int) -> None:
    history = Histories(vtn, seed)
    silent = 0
    for step in range(15):
        at = now + step * STEP
        for _ in range(history.dice.randrange(3)):
            history.act(at)
        silent = silent + 1 if silent < MOST_SILENT and history.dice.random() < 0.3 else 0
        vtn.status = 503 if silent else 200
        poll(at)
        announce_due_events(now=at, limit=5)
        if not silent:
            history.unseen.clear()
            wanted = sorted(span for span in history.expected.values() if span[1] > at)
            assert [span[1:] for span in standing() if span[2] > at] == wanted, (seed, step)
