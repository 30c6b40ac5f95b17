"""A car in several programs: one event at a time, by rank, told to its owner, and no hour paid for twice."""

import os
import random
from datetime import datetime, timedelta
from itertools import combinations

import pytest

from accounts.models import Notice, User
from foundation.refusals import Refusal
from grid.flows.events.changing import change_event
from grid.flows.events.events import announce_due_events, cancel_event, create_event, opt_in, opt_out
from grid.flows.operators.operating_states import state_of, state_of_group, told_as
from grid.flows.programs.enrollment import end_enrollment
from grid.flows.settlement.settling import settle_due
from grid.models import (
    Enrollment,
    EventParticipation,
    GridEvent,
    OperatorAsk,
    OperatorEvent,
    OperatorProgram,
    ProgramTerms,
    Settlement,
)
from tests.factories import grid, nights

pytestmark = pytest.mark.django_db
SEEDS = range(500 if os.environ.get("CHARGESCAPE_FULL") else 5)
ACTS = 14
MINUTE, HOUR, QUARTER = timedelta(minutes=1), timedelta(hours=1), timedelta(minutes=15)
NOTICE = {"evening-relief": 15, "grid-days": 60, "peak-club": 0}
State = EventParticipation.State
SERVES = {State.IN, State.CONTROL}


@pytest.fixture
def car(alice: User, now: datetime) -> Enrollment:
    """A car at its plug, in three programs whose terms let it be in the others."""
    enrolled = nights.plugged_car(alice, now=now)
    for slug, minutes in NOTICE.items():
        program = grid.program(slug=slug)
        terms = grid.terms(program, now=now)
        settles = "group" if slug == "grid-days" else "car"
        ProgramTerms.objects.filter(pk=terms.pk).update(
            minimum_notice_minutes=minutes, goes_with=list(NOTICE), settles=settles
        )
        if program != enrolled.program:
            Enrollment.objects.create(
                program=program, vehicle=enrolled.vehicle, site=enrolled.site, enrolled_at=enrolled.enrolled_at
            )
    return enrolled


def ask(
    slug: str, now: datetime, starts: timedelta, ends: timedelta, *, priority: int | None = None,
    is_emergency: bool = False,
) -> GridEvent:  # fmt: skip
    """Ask for an event, as a utility's server would where it has a priority, and announce it."""
    event = create_event(
        terms=ProgramTerms.objects.select_related("program__utility").get(program__slug=slug), kind="hold",
        starts_at=now + starts, ends_at=now + ends, target_w=10_000, created_by=None, now=now,
    )  # fmt: skip
    if priority is not None or is_emergency:
        link = OperatorProgram.objects.filter(program=event.terms.program).first()
        link = link or grid.operator_program(now=now, of=event.terms.program, ven_name=slug)
        told = OperatorEvent.objects.create(
            program=link, remote_id=f"event-{event.pk}", seen_at=now, record={}, priority=priority
        )
        OperatorAsk.objects.create(operator_event=told, grid_event=event, is_emergency=is_emergency)
    announce_due_events(now=now, limit=10)
    event.refresh_from_db()
    return event


def part_in(event: GridEvent) -> EventParticipation:
    return EventParticipation.objects.get(event=event)


def stands(event: GridEvent) -> tuple[str, str, int | None]:
    part = part_in(event)
    return part.state, part.reason, part.yields_to_id


def test_event_of_higher_priority_takes_the_car_and_gives_it_back_in_time(
    car: Enrollment, alice: User, now: datetime
) -> None:
    first = ask("grid-days", now, 3 * HOUR, 5 * HOUR)
    urgent = ask("evening-relief", now + MINUTE, 4 * HOUR, 6 * HOUR, priority=2)
    other = ask("peak-club", now + MINUTE, 5 * HOUR, 7 * HOUR)

    assert stands(first) == ("unable", "yields_priority", urgent.pk)
    assert stands(urgent) == ("in", "", None)
    assert stands(other) == ("unable", "yields_priority", urgent.pk)
    assert state_of(part_in(first), first, None) == "IDLE_OPTED_OUT"
    assert state_of_group([told_as("unable", urgent.pk), told_as("unable", None)], first, 0.0) == "IDLE_OPTED_OUT"
    told = list(Notice.objects.filter(user=alice).order_by("pk").values_list("kind", "params__program"))
    assert told == [
        ("event_announced", "Grid Days"), ("event_gave_way", "Grid Days"), ("event_announced", "Evening Relief"),
    ]  # fmt: skip

    cancel_event(event=urgent, now=now + 150 * MINUTE)  # too late for an hour's notice, in time for the other
    assert stands(first) == ("unable", "yields_priority", urgent.pk)
    assert stands(other) == ("in", "", None)
    assert Notice.objects.filter(kind="event_announced", params__program="Peak Club").count() == 1


def test_owner_hears_what_becomes_of_an_event_that_others_have_not_heard_of_yet(
    car: Enrollment, alice: User, now: datetime
) -> None:
    first = ask("grid-days", now, 3 * HOUR, 5 * HOUR)
    GridEvent.objects.filter(pk=first.pk).update(state=GridEvent.State.SCHEDULED)  # between two batches of cars
    urgent = ask("evening-relief", now + MINUTE, 4 * HOUR, 6 * HOUR, priority=2)
    cancel_event(event=urgent, now=now + 2 * MINUTE)
    told = list(Notice.objects.filter(user=alice).order_by("pk").values_list("kind", "params__program"))
    assert told == [
        ("event_announced", "Grid Days"), ("event_gave_way", "Grid Days"), ("event_announced", "Evening Relief"),
        ("event_cancelled", "Evening Relief"), ("event_announced", "Grid Days"),
    ]  # fmt: skip


def test_emergency_comes_before_what_was_announced_first_but_not_before_what_has_begun(
    car: Enrollment, now: datetime
) -> None:
    first = ask("evening-relief", now, HOUR, 3 * HOUR)
    emergency = ask("grid-days", now + MINUTE, 2 * HOUR, 4 * HOUR, is_emergency=True)
    assert stands(first)[:2] == ("unable", "yields_emergency")
    cancel_event(event=emergency, now=now + 2 * MINUTE)
    assert stands(first) == ("in", "", None)
    late = ask("grid-days", now + 90 * MINUTE, HOUR, 2 * HOUR, is_emergency=True)
    assert stands(first) == ("in", "", None)
    assert stands(late) == ("unable", "yields_begun", first.pk)


def test_owner_who_leaves_one_out_may_be_asked_by_the_other_and_comes_back_by_rank(
    car: Enrollment, now: datetime
) -> None:
    first, second = ask("evening-relief", now, 2 * HOUR, 4 * HOUR), ask("grid-days", now, 2 * HOUR, 4 * HOUR)
    assert stands(second) == ("unable", "yields_order", first.pk)
    opt_out(participation=part_in(first), now=now)
    assert (stands(first)[0], stands(second)) == ("opted_out", ("in", "", None))
    assert opt_in(participation=part_in(first), now=now).state == "in"
    assert stands(second) == ("unable", "yields_order", first.pk)
    assert opt_in(participation=part_in(second), now=now).reason == "yields_order"
    end_enrollment(enrollment=part_in(first).enrollment, now=now)
    assert stands(second) == ("in", "", None)


def test_car_drawn_to_be_left_alone_is_left_alone_by_every_program(car: Enrollment, now: datetime) -> None:
    first = ask("evening-relief", now, 2 * HOUR, 4 * HOUR)
    EventParticipation.objects.update(state=State.CONTROL)
    urgent = ask("grid-days", now, 3 * HOUR, 5 * HOUR, priority=0)
    assert stands(first)[0] == "control"
    assert stands(urgent) == ("unable", "yields_drawn", first.pk)


class History:
    """Whatever utilities and the owner may do to one car, and a model of what it then serves."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.dice, self.now, self.begins = random.Random(seed), now, now  # noqa: S311 - a history to replay

    def act(self) -> None:
        does = self.dice.choice(["ask", "ask", "ask", "cancel", "change", "leave", "return", "wait"])
        parts = list(EventParticipation.objects.filter(event__ends_at__gt=self.now).select_related("event"))
        try:
            if does == "ask":
                self._ask()
            elif does == "wait":
                self.now += self.dice.randint(1, 6) * 7 * MINUTE
            elif parts:
                self._touch(does, self.dice.choice(parts))
        except Refusal:
            pass  # overlaps in one program, notice too short, over: none of it changes anything

    def _ask(self) -> None:
        starts = self.dice.randint(1, 20) * QUARTER
        ask(
            self.dice.choice(list(NOTICE)), self.now, starts, starts + self.dice.randint(1, 10) * QUARTER,
            priority=self.dice.choice([None, None, 0, 1, 1]), is_emergency=self.dice.random() < 0.2,
        )  # fmt: skip

    def _touch(self, does: str, part: EventParticipation) -> None:
        if does == "cancel":
            cancel_event(event=part.event, now=self.now)
        elif does == "change":
            ends_at = part.event.starts_at + self.dice.randint(1, 12) * QUARTER
            change_event(
                event=part.event, starts_at=part.event.starts_at, ends_at=ends_at, target_w=9_000, now=self.now
            )
        elif does == "leave":
            opt_out(participation=part, now=self.now)
        else:
            opt_in(participation=part, now=self.now)

    def check(self) -> None:
        rows = EventParticipation.objects.filter(event__state="announced", event__ends_at__gt=self.now)
        parts = list(rows.select_related("event__terms__program", "event__operator_ask__operator_event"))
        serving = {part.event_id for part in parts if part.state in SERVES}
        model: list[GridEvent] = []
        for part in sorted((one for one in parts if self._may_serve(one)), key=self._rank):
            if not any(_overlap(part.event, other) for other in model):
                model.append(part.event)
        assert serving == {event.pk for event in model}
        for part in parts:
            assert (part.yields_to_id is not None) == part.reason.startswith("yields_")

    def _may_serve(self, part: EventParticipation) -> bool:
        notice = NOTICE[part.event.terms.program.slug] * MINUTE
        starts_at = part.event.starts_at
        is_in_time = starts_at > self.now and starts_at - notice >= self.now
        return part.state in SERVES or (part.yields_to_id is not None and is_in_time)

    def _rank(self, part: EventParticipation) -> tuple[object, ...]:
        event = part.event
        asked = getattr(event, "operator_ask", None)
        priority = asked.operator_event.priority if asked else None
        has_begun = part.state in SERVES and event.starts_at <= self.now
        is_urgent = asked is not None and asked.is_emergency
        return (not has_begun, priority is None, priority or 0, not is_urgent, event.announce_at, event.pk)


def _overlap(one: GridEvent, other: GridEvent) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


@pytest.mark.once
@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories_serve_one_event_at_a_time_and_pay_no_hour_twice(
    car: Enrollment, now: datetime, seed: int
) -> None:
    history = History(seed, now)
    for _ in range(ACTS):
        history.act()
        history.check()
    for step in range(60):  # held all along: whatever is asked is delivered
        nights.reading(car.vehicle, at=now + step * QUARTER, soc=50, imported_wh=100_000, exported_wh=5)

    settle_due(now=now + 40 * HOUR, limit=100)

    settled = Settlement.objects.select_related("participation__event")
    assert {one.participation_id for one in settled} == set(
        EventParticipation.objects.filter(state__in=SERVES, event__state="settled").values_list("pk", flat=True)
    )
    assert not [pair for pair in combinations([one.participation.event for one in settled], 2) if _overlap(*pair)]
    # From 50 % to 90 % of 98 kWh at 0.9: nobody is paid for more than the car would have charged.
    assert sum(one.credited_wh for one in settled) <= 43_560
