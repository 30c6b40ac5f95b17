"""The 2.0b process against openleadr's own server: an event from announcement to report, and all that fails."""

import asyncio
import os
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from accounts.models import User
from foundation import clock
from grid import ven
from grid.flows.events.announcing import announce_due_events
from grid.flows.events.events import cancel_event
from grid.flows.operators import telemetry
from grid.flows.operators.following import enrolled_w
from grid.flows.operators.openadr2b import claim_due
from grid.flows.operators.operators import poll_due_operators
from grid.models import Enrollment, GridEvent, OperatorEvent, OperatorLink, OperatorProgram, OperatorReportRequest
from tests.factories import grid as make
from tests.factories import vehicles
from tests.grid.openadr2b_vtn import CONTEXT, VEN_ID, Vtn, signal, word_event
from vehicles.flows import heartbeats

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Vtn]:
    vtn = Vtn()
    yield vtn
    vtn.stop()


@pytest.fixture
def vtn(server: Vtn) -> Vtn:
    server.reset()
    return server


@pytest.fixture
def now() -> datetime:
    """A time ahead of the real one: openleadr's server takes the status of an event from the real clock."""
    return datetime.now(UTC).replace(minute=5, second=0, microsecond=0) + timedelta(days=30)


@pytest.fixture
def program(now: datetime, alice: User, vtn: Vtn) -> OperatorProgram:
    enrollment = make.enrollment(alice, now=now)
    make.terms(enrollment.program, now=now)
    return link_to(vtn, enrollment.program, now)


def link_to(vtn: Vtn, of: Any, now: datetime, **fields: Any) -> OperatorProgram:
    values = {"protocol": "openadr-2.0b", "api_base": vtn.url, "oauth_id": "", "client_secret": "", "ven_name": "fleet"}
    program = make.operator_program(now=now, of=of, **(values | fields))
    program.remote_id = CONTEXT
    program.save()
    return program


def look(now: datetime) -> bool:
    OperatorLink.objects.update(next_poll_at=None, lease_until=None)
    (link,) = claim_due(now=now, limit=5)
    return bool(async_to_sync(ven.visit)(link, now=now))


def standing() -> list[tuple[str, datetime, datetime, int]]:
    rows = GridEvent.objects.filter(state__in=GridEvent.OPEN_STATES).order_by("starts_at")
    return [(row.kind, row.starts_at, row.ends_at, row.target_w) for row in rows]


def test_ask_becomes_an_event_is_changed_and_called_off(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR, startafter=timedelta(minutes=4)))
    assert look(now)
    later = timedelta(minutes=2)
    assert standing() == [("hold", now + 3 * HOUR + later, now + 4 * HOUR + later, 20_000)]
    assert OperatorEvent.objects.get().asks.get().randomize_seconds == 120
    assert vtn.opts == [("e-1", "optIn")]
    link = OperatorLink.objects.get()
    assert (link.ven_id, link.registration_id, link.least_poll_seconds) == (VEN_ID, "registration-1", 10)
    assert (link.heard_at, link.next_poll_at) == (now, now + timedelta(seconds=60))
    vtn.ask(word_event("e-1", starts_at=now + 4 * HOUR, length=2 * HOUR, values=(-30.0, -30.0)))
    assert look(now + timedelta(minutes=5))
    assert standing() == [("hold", now + 4 * HOUR, now + 6 * HOUR, 30_000)]
    assert OperatorEvent.objects.get().revision == 1
    vtn.cancel("e-1")
    assert look(now + timedelta(minutes=10))
    assert standing() == []
    assert vtn.find("e-1") is None  # openleadr drops it once we have confirmed
    assert GridEvent.objects.get().cancel_reason == "called off by the utility"


def test_event_under_way_ends_when_it_is_cancelled(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    announce_due_events(now=now, limit=5)
    vtn.cancel("e-1")
    middle = now + 3.5 * HOUR
    look(middle)
    event = GridEvent.objects.get()
    assert (event.state, event.ends_at) == ("announced", middle)


def test_same_list_again_changes_nothing(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    vtn.server.events_updated[VEN_ID] = True
    look(now + timedelta(minutes=5))
    assert GridEvent.objects.get().version == 1
    assert OperatorEvent.objects.count() == 1


def test_event_without_an_end_goes_as_far_as_the_terms_allow(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    wish: dict[str, Any] = {"name": "SIMPLE", "kind": "level", "values": (3,), "scale": None}
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR, length=timedelta(0), **wish))
    look(now)
    ((kind, starts_at, ends_at, target_w),) = standing()
    most = timedelta(minutes=program.program.terms.get().max_event_minutes)
    assert (kind, starts_at, ends_at - starts_at, target_w) == ("hold", now + 3 * HOUR, most, enrolled_w(program))


@pytest.mark.parametrize(
    "fault", [500, 503, 403, 404, b"", b"<oadrPayload", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_server_that_fails_calls_nothing_off(
    vtn: Vtn, program: OperatorProgram, now: datetime, fault: int | bytes
) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    vtn.fault = fault
    is_well = look(now + HOUR)
    assert len(standing()) == 1
    link = OperatorLink.objects.get()
    if fault == b"":  # an empty answer to a poll is no message, and no list either
        assert is_well
    else:
        assert (is_well, link.failures, link.heard_at) == (False, 1, now)
        assert link.failure
        assert link.lease_until is not None
        assert link.lease_until > clock.wall()


def test_server_that_stalls_holds_up_nobody(
    vtn: Vtn, program: OperatorProgram, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    monkeypatch.setattr(ven, "VISIT_SECONDS", 0.2)
    vtn.fault = "stall"
    assert not look(now + HOUR)
    assert (len(standing()), OperatorLink.objects.get().failure) == (1, "unreachable")


def test_event_missing_from_two_whole_lists_is_called_off(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    for place in (1, 2):
        vtn.ask(word_event(f"e-{place}", starts_at=now + 3 * place * HOUR))
    look(now)
    vtn.asked.clear()
    vtn.forget("e-1")
    look(now + timedelta(minutes=1))
    assert [span[1] for span in standing()] == [now + 6 * HOUR]
    assert OperatorEvent.objects.get(remote_id="e-1").state == "gone"
    # The list in the poll was a nudge: answered, then asked for twice, and answered each time.
    assert vtn.asked == ["OadrPoll", "EiEvent", "OadrPoll", *["EiEvent"] * 4]


def test_server_that_answers_without_a_list_calls_nothing_off(
    vtn: Vtn, program: OperatorProgram, now: datetime
) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    vtn.forget("e-1")  # openleadr then answers with a plain response, as a server does that lost its memory
    assert look(now + HOUR)
    assert len(standing()) == 1


def test_flood_is_refused_as_a_whole(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    one = next(body for body in vtn.answers if b"oadrDistributeEvent" in body)
    start, end = one.index(b"<oadr:oadrEvent>"), one.index(b"</oadr:oadrEvent>") + len(b"</oadr:oadrEvent>")
    for count in (1001, 10_000):  # too many, and more than eight megabytes
        vtn.fault = one[:start] + one[start:end] * count + one[end:]
        assert not look(now + HOUR)
    assert (len(standing()), OperatorLink.objects.get().failure) == (1, "unreadable answer")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("optIn", "")),
        ({"name": "x-nonsense", "kind": "level"}, ("optOut", "x-nonsense")),
        ({"context": "http://utility.test/other"}, ("optOut", "market context")),
        ({"length": 26 * HOUR}, ("optOut", "last at most")),
        ({"starts_at": timedelta(minutes=1)}, ("optOut", "hear of an event")),
        ({"starts_at": timedelta(days=800)}, ("optOut", "in force|ahead")),
        ({"targets": [{"ven_id": "somebody-else"}]}, ("optOut", "another VEN")),
        ({"values": (6000.0,), "kind": "setpoint"}, ("optOut", "allows only|approval")),
        ({"values": (-6000.0,)}, ("optOut", "approval")),
        ({"test_event": True}, ("optIn", "test")),
    ],
)
def test_answer_says_what_becomes_of_it(
    vtn: Vtn, program: OperatorProgram, now: datetime, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    opt, why = expected
    wish = {"starts_at": 3 * HOUR} | change
    vtn.ask(word_event("e-1", **(wish | {"starts_at": now + wish["starts_at"]})))
    assert look(now)
    assert vtn.opts == [("e-1", opt)]
    row = OperatorEvent.objects.get()
    assert row.answer == opt
    assert re.search(why, row.answer_reason)
    assert (GridEvent.objects.filter(state__in=["scheduled", "announced"]).count() == 1) == (not change)


def test_nobody_enrolled_is_said_and_taken_back_when_somebody_is(
    vtn: Vtn, program: OperatorProgram, now: datetime
) -> None:
    Enrollment.objects.update(ended_at=now)
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    assert vtn.opts == [("e-1", "optOut")]
    Enrollment.objects.update(ended_at=None)
    look(now + timedelta(minutes=1))
    (change,) = vtn.changes
    assert (change["opt_type"], change["event_id"], change["ven_id"]) == ("optIn", "e-1", VEN_ID)
    look(now + timedelta(minutes=2))
    assert len(vtn.changes) == 1


@pytest.mark.parametrize("reasons", [["overrideStatus"], []])
def test_person_who_declines_is_told_on(vtn: Vtn, program: OperatorProgram, now: datetime, reasons: list[str]) -> None:
    vtn.has_opt_service = bool(reasons)
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    cancel_event(event=GridEvent.objects.get(), now=now, reason="a fault in the field")
    vtn.bodies.clear()
    look(now + timedelta(minutes=1))
    assert b"optOut" in b"".join(vtn.bodies)
    assert [change["opt_reason"] for change in vtn.changes] == reasons
    assert OperatorEvent.objects.get().answer == "optOut"


def test_no_answer_where_none_is_wanted(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR, response_required="never"))
    look(now)
    assert (len(standing()), vtn.opts, OperatorEvent.objects.get().answer) == (1, [], "")


def test_process_asks_what_is_due_until_it_is_told_to_stop(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))

    async def run() -> None:
        stopped, asked = asyncio.Event(), 0

        def read_now() -> datetime:
            nonlocal asked
            asked += 1
            if asked > 1:  # for the first visit
                stopped.set()
            return now

        await ven.serve(stopped=stopped, most=5, read_now=read_now, freshen=lambda: None)

    async_to_sync(run)()
    assert len(standing()) == 1
    assert (OperatorLink.objects.get().heard_at, OperatorLink.objects.get().lease_until) == (now, None)
    assert [beat.kind for beat in heartbeats.heartbeats(ven.PROCESS)] == ["openadr2b"]


def test_visit_that_is_cut_off_leaves_its_link_to_others(
    vtn: Vtn, program: OperatorProgram, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ven, "FAREWELL_SECONDS", 0.1)
    vtn.fault = "stall"

    async def run() -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stopped.set)
        await ven.serve(stopped=stopped, most=5, read_now=lambda: now, freshen=lambda: None)

    async_to_sync(run)()
    link = OperatorLink.objects.get()
    assert (link.lease_until, link.heard_at) == (None, None)


def test_one_process_speaks_for_a_link(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    assert len(claim_due(now=now, limit=5)) == 1
    assert claim_due(now=now, limit=5) == []
    assert poll_due_operators(now=now, limit=5) == 0  # the sweep of OpenADR 3 leaves it alone


def test_server_that_forgot_us_is_registered_with_again(vtn: Vtn, program: OperatorProgram, now: datetime) -> None:
    vtn.ask(word_event("e-1", starts_at=now + 3 * HOUR))
    look(now)
    vtn.lookups = [None]
    vtn.asked.clear()
    assert look(now + HOUR)
    assert vtn.asked[:3] == ["OadrPoll", "EiRegisterParty", "EiRegisterParty"]
    assert len(standing()) == 1


def test_report_that_was_asked_for_arrives(
    vtn: Vtn, program: OperatorProgram, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "FEWEST_CARS", 1)
    vtn.report_every = HOUR
    start = now.replace(minute=0)
    look(start)
    assert OperatorReportRequest.objects.get().next_at == start + HOUR
    (enrollment,) = Enrollment.objects.all()
    Enrollment.objects.update(enrolled_at=start)
    for minutes in range(0, 70, 10):
        at = start + timedelta(minutes=minutes)
        vehicles.reading(enrollment.vehicle, at=at, is_at_home=True, imported_wh=minutes * 100, exported_wh=0)
    look(start + HOUR)
    name = f"{program.resource_name}-usage"
    assert vtn.values == {name: {start + place * timedelta(minutes=15): 1500.0 for place in range(3)}}
    sent = b"".join(vtn.bodies)
    assert b"Quality Good - Non Specific" in sent
    assert str(enrollment.vehicle.public_id).encode() not in sent
    assert str(enrollment.public_id).encode() not in sent


STEP = timedelta(minutes=75)
MOST_SILENT = 2  # looks in a row that the server does not answer


class Histories:
    """What a utility may do between two looks, and what of it should stand: each event has hours of its own."""

    def __init__(self, vtn: Vtn, begin: datetime, seed: int) -> None:
        self.vtn = vtn
        self.begin = begin
        self.dice = random.Random(seed)  # noqa: S311 - a history to replay
        self.expected: dict[str, tuple[datetime, datetime, int]] = {}
        self.numbers: dict[str, int] = {}
        self.unseen: set[str] = set()  # said since the server last answered
        # The list is never empty: openleadr would send a plain response in its place, which calls nothing off.
        vtn.ask(word_event("line-check", starts_at=begin + 90 * HOUR, test_event=True))

    def act(self, now: datetime) -> None:
        """Do one thing to one event."""
        identity = f"e-{self.dice.randrange(5)}"
        does = self.dice.choice(["ask", "ask", "cancel", "forget", "ease", "break", "stale", "repeat"])
        known = self.expected.get(identity)
        if does == "ask":
            self._ask(identity, now)
        elif does == "repeat":
            self.vtn.server.events_updated[VEN_ID] = True
        elif known is None or known[1] <= now or self.vtn.find(identity) is None:
            return
        elif does == "cancel":
            self.vtn.cancel(identity)
            self.numbers[identity] += 1
            del self.expected[identity]
        elif does == "forget":
            self.vtn.forget(identity, tell=self.dice.random() < 0.5)
            del self.expected[identity]
        elif does == "ease":
            self._say(identity, known, name="SIMPLE", kind="level", values=(0,), scale=None)
            del self.expected[identity]
        elif identity in self.unseen:
            return  # what was never understood can be neither doubted nor told in an older copy
        elif does == "break":
            other = signal(known[0], known[1] - known[0], name="LOAD_DISPATCH", kind="delta", values=(-5.0,), scale="k")
            self._say(identity, known, more=(other,))
        elif does == "stale" and self.numbers[identity] > 0:
            self.numbers[identity] -= 2
            self._say(identity, known, values=(-1.0,))
            self.numbers[identity] += 1

    def _ask(self, identity: str, now: datetime) -> None:
        slot = self.begin + (6 + 3 * int(identity[2])) * HOUR
        starts_at = slot + timedelta(minutes=self.dice.randrange(60))
        # What is asked or changed too late to reach owners in time is another test's matter.
        soonest = now + (MOST_SILENT + 1) * STEP + timedelta(minutes=20)
        if min(starts_at, self.expected.get(identity, (starts_at,))[0]) <= soonest:
            return
        hours, target_kw = self.dice.choice([0.5, 1, 1.5]), self.dice.choice([10.0, 20.0, 30.0])
        span = (starts_at, starts_at + hours * HOUR, int(target_kw * 1000))
        self._say(identity, span, values=(-target_kw,))
        self.unseen.add(identity)
        self.expected[identity] = span

    def _say(self, identity: str, span: tuple[datetime, datetime, int], **words: Any) -> None:
        self.numbers[identity] = self.numbers.get(identity, -1) + 1
        event = word_event(identity, starts_at=span[0], length=span[1] - span[0], **words)
        self.vtn.ask(event, number=self.numbers[identity])


@pytest.mark.once
@pytest.mark.parametrize("seed", range(500 if os.environ.get("CHARGESCAPE_FULL") else 12))
def test_random_history_agrees_with_its_model(vtn: Vtn, program: OperatorProgram, now: datetime, seed: int) -> None:
    history = Histories(vtn, now, seed)
    silent = 0
    for step in range(15):
        at = now + step * STEP
        for _ in range(history.dice.randrange(3)):
            history.act(at)
        silent = silent + 1 if silent < MOST_SILENT and history.dice.random() < 0.3 else 0
        faults: list[int | bytes] = [503, 500, b"<oops", 403]
        vtn.fault = history.dice.choice(faults) if silent else ""
        assert look(at) == (not silent)
        announce_due_events(now=at, limit=5)
        if not silent:
            history.unseen.clear()
            wanted = {key: span for key, span in history.expected.items() if span[1] > at}
            assert [span[1:] for span in standing() if span[2] > at] == sorted(wanted.values()), (seed, step)
            told = dict(OperatorEvent.objects.filter(remote_id__in=wanted).values_list("remote_id", "answer"))
            assert set(told) == set(wanted)
