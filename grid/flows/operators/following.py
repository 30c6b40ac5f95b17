"""Our events are brought in line with what a utility's server asks, all events of a program at once.

Where two events of a program ask for the same time, the one of the lower priority number has it (none at all comes
last, and among equals the one heard of first): the other keeps what is left of its own time, is told to owners as a
changed or cancelled event, and gets its time back when the first is called off. One that our terms refuse takes no
time from anybody. Nothing that a person called off here is asked again until the utility says something new.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, Sum

from foundation.refusals import Refusal
from grid.flows.events import changing, events
from grid.flows.operators.kept_asks import read_asks
from grid.flows.operators.targeting_cars import Scope, cars_in
from grid.models import TAKES_PART, Enrollment, GridEvent, OperatorAsk, OperatorEvent, OperatorProgram, ProgramTerms
from grid.operators.base import Ask

SOON = timedelta(minutes=1)  # what should have begun already begins then
SHORTEST = timedelta(minutes=5)  # of what another event leaves; less is not worth asking
LAST = 2**62
CALLED_OFF, YIELDED = "called off by the utility", "another of its events comes first"
OURS = ("", CALLED_OFF, YIELDED)

_Span = tuple[datetime, datetime]
_Claim = tuple[datetime, datetime, OperatorEvent]


def enrolled_w(program: OperatorProgram, scope: Scope | None = None) -> int:
    """Return the charging power of the cars enrolled in the program, W; with a scope, of those it means."""
    enrolled = Enrollment.objects.filter(TAKES_PART, program=program.program, ended_at__isnull=True)
    return int(cars_in(scope or {}, enrolled).aggregate(power=Sum("vehicle__max_charge_w"))["power"] or 0)


@dataclass
class _Part:
    """One event of the utility: what is left to it of what it asks, and what a person should know."""

    row: OperatorEvent
    asks: list[Ask]
    questions: list[str]
    pieces: list[Ask] = field(default_factory=list)
    standing: list[GridEvent] = field(default_factory=list)
    refused: set[Ask] = field(default_factory=set)  # asks that our terms refuse
    winners: set[Ask] = field(default_factory=set)  # asks that took time from another event


class _Again(Exception):
    """An ask that took another's time was refused: all is worked out again without it."""


def is_waiting(program: OperatorProgram, *, now: datetime) -> bool:
    """Say whether something that the program's events ask could not be done as they ask it."""
    rows = OperatorEvent.objects.filter(program=program, wanted_until__gt=now).only("questions", "wanted")
    return any(len(row.questions) > len(row.wanted.get("questions", [])) for row in rows)


def follow(program: OperatorProgram, *, now: datetime) -> None:
    """Make our events those that the server's events of the program ask for now."""
    refused: dict[int, set[Ask]] = {}
    while True:
        parts = _parts(program, refused, now)
        try:
            with transaction.atomic():
                events.lock_program(program.program_id)
                _apply(parts, now)
                if any(part.refused & part.winners for part in parts):
                    raise _Again
                for part in parts:
                    questions = list(dict.fromkeys(part.questions))
                    if part.row.questions != questions:
                        OperatorEvent.objects.filter(pk=part.row.pk).update(questions=questions)
        except _Again:
            for part in parts:
                refused.setdefault(part.row.pk, set()).update(part.refused & part.winners)
            continue
        return


def _parts(program: OperatorProgram, refused: Mapping[int, set[Ask]], now: datetime) -> list[_Part]:
    """Return the program's events that count, the first in rank first, each with what is left to it."""
    counts = Q(wanted_until__gt=now) | Q(
        asks__grid_event__state__in=GridEvent.OPEN_STATES, asks__grid_event__ends_at__gt=now
    )
    found = OperatorEvent.objects.filter(counts, program=program).distinct()
    rows = list(found.select_related("program__link", "program__program__utility"))
    # What was never read into asks here is left as it stands until its message is read.
    rows = [row for row in rows if "asks" in row.wanted or row.state == OperatorEvent.State.GONE]
    rows.sort(key=lambda row: (LAST if row.priority is None else row.priority, row.pk))
    parts = [
        _Part(
            row,
            [ask for ask in read_asks(row) if ask.ends_at > now],
            [*row.wanted.get("questions", []), *row.wanted.get("unread", [])],
            standing=_standing(row, now),
        )
        for row in rows
    ]
    taken: list[tuple[_Claim, _Part, Ask]] = []
    for part in parts:
        barred, spent = _barred(part.row), _spent(part.row, now)
        for ask in sorted(part.asks, key=lambda ask: not ask.is_emergency):
            if _is_met(ask, barred):
                part.questions.append("a person called it off here")
            elif not (ask.is_open_ended and _is_met(ask, spent)):
                _claim(part, ask, taken, is_refused=ask in refused.get(part.row.pk, ()))
        part.pieces.sort(key=lambda ask: ask.starts_at)
    return parts


def _claim(part: _Part, ask: Ask, taken: list[tuple[_Claim, "_Part", Ask]], *, is_refused: bool) -> None:
    """Give the ask what nobody before it has claimed."""
    left = [(ask.starts_at, ask.ends_at)]
    for (starts_at, ends_at, row), winner, by in taken:
        cut = [piece for span in left for piece in _without(span, starts_at, ends_at)]
        if cut != left:
            span = f"from {max(starts_at, ask.starts_at):%Y-%m-%d %H:%M}Z to {min(ends_at, ask.ends_at):%H:%M}Z"
            if row.pk == part.row.pk:
                part.questions.append(f"it asks for two things {span}; {by.kind} counts")
            else:
                part.questions.append(f"event {row.remote_id[:40]} comes first {span}")
                winner.winners.add(by)
        left = cut
    if not is_refused:
        taken.append(((ask.starts_at, ask.ends_at, part.row), part, ask))
    if left == [(ask.starts_at, ask.ends_at)]:
        part.pieces.append(ask)
        return
    part.pieces += [
        replace(ask, starts_at=starts_at, ends_at=ends_at, is_open_ended=ask.is_open_ended and ends_at == ask.ends_at)
        for starts_at, ends_at in left
        if ends_at - starts_at >= SHORTEST
    ]


def _without(span: _Span, starts_at: datetime, ends_at: datetime) -> list[_Span]:
    first, last = span
    if ends_at <= first or starts_at >= last:
        return [span]
    return [piece for piece in ((first, min(last, starts_at)), (max(first, ends_at), last)) if piece[0] < piece[1]]


def _standing(row: OperatorEvent, now: datetime) -> list[GridEvent]:
    rows = GridEvent.objects.filter(operator_ask__operator_event=row, state__in=GridEvent.OPEN_STATES, ends_at__gt=now)
    return list(rows.select_related("operator_ask", "terms__program__utility").order_by("starts_at"))


def _barred(row: OperatorEvent) -> list[_Span]:
    """Return when a person called off here what this very message asks."""
    rows = GridEvent.objects.filter(operator_ask__operator_event=row).exclude(cancel_reason__in=OURS)
    if row.state == OperatorEvent.State.READ:
        since = Q(cancelled_at__gte=row.seen_at) | Q(cancelled_at__isnull=True, ends_at__gte=row.seen_at)
        rows = rows.filter(since)
    return list(rows.values_list("starts_at", "ends_at"))


def _spent(row: OperatorEvent, now: datetime) -> list[_Span]:
    """Return when what has no end was already followed as long as our terms allow."""
    rows = GridEvent.objects.filter(operator_ask__operator_event=row, ends_at__lte=now, ends_at__gte=row.seen_at)
    return list(rows.exclude(state=GridEvent.State.CANCELLED).values_list("starts_at", "ends_at"))


def _is_met(ask: Ask, spans: Sequence[_Span]) -> bool:
    return any(ask.starts_at < ends_at and starts_at < ask.ends_at for starts_at, ends_at in spans)


def _apply(parts: Sequence[_Part], now: datetime) -> None:
    """Call off, then change, then make; what stands in another's way is tried again once the other has moved."""
    due: list[tuple[_Part, Ask, Callable[[], str]]] = []
    for part in parts:
        left = list(part.pieces)
        for event in part.standing:
            match = _match(event, left, part.row, now)
            if match is None:
                events.cancel_event(event=event, now=now, reason=YIELDED if part.asks else CALLED_OFF)
                continue
            left.remove(match)
            due.append((part, match, _changer(event, match, part.row, now)))
        due += [(part, piece, _maker(part.row, piece, now)) for piece in left]
    why = _try_all([does for _, _, does in due])
    for (part, piece, _), reason in zip(due, why, strict=True):
        if reason:
            part.questions.append(reason)
            part.refused |= {
                ask for ask in part.asks if ask.starts_at <= piece.starts_at and piece.ends_at <= ask.ends_at
            }


def _match(event: GridEvent, left: Sequence[Ask], row: OperatorEvent, now: datetime) -> Ask | None:
    if event.operator_ask.scope != row.scope:
        return None  # it is for other cars now: another event
    alike = [ask for ask in left if ask.kind == event.kind and (ask.starts_at <= now) == (event.starts_at <= now)]
    return min(alike, key=lambda ask: abs(ask.starts_at - event.starts_at), default=None)


def _try_all(todo: Sequence[Callable[[], str]]) -> list[str]:
    """Do everything, again as long as something more succeeds, and return why each could not be done ("" it was)."""
    why = ["?"] * len(todo)
    is_better = True
    while is_better and any(why):
        is_better = False
        for place, does in enumerate(todo):
            if why[place]:
                before, why[place] = why[place], does()
                is_better |= not why[place] and before != ""
    return why


def _changer(event: GridEvent, ask: Ask, row: OperatorEvent, now: datetime) -> Callable[[], str]:
    def change() -> str:
        starts_at = max(ask.starts_at, now) if event.starts_at > now else event.starts_at
        try:
            changing.change_event(
                event=event,
                starts_at=starts_at,
                ends_at=_end_of(ask, starts_at, event.terms),
                target_w=ask.target_w or enrolled_w(row.program, row.scope) or event.target_w,
                now=now,
            )
        except Refusal as refusal:
            return f"its change cannot be followed: {refusal.reason}"
        how = {"randomize_seconds": ask.randomize_seconds, "is_emergency": ask.is_emergency}
        OperatorAsk.objects.filter(grid_event=event).exclude(**how).update(**how)
        return ""

    return change


def _end_of(ask: Ask, starts_at: datetime, terms: ProgramTerms) -> datetime:
    """Return how far the ask is taken: one without an end goes as far as the terms allow."""
    if not ask.is_open_ended:
        return ask.ends_at
    return min(ask.ends_at, starts_at + timedelta(minutes=terms.max_event_minutes))


def _maker(row: OperatorEvent, ask: Ask, now: datetime) -> Callable[[], str]:
    def make() -> str:
        starts_at = ask.starts_at if ask.starts_at > now else now + SOON
        terms = ProgramTerms.in_force(program=row.program.program, at=starts_at)
        if terms is None:
            return "the program has no terms in force then"
        if ask.ends_at <= starts_at:
            return ""
        try:
            with transaction.atomic():
                event = events.create_event(
                    terms=terms,
                    kind=ask.kind,
                    starts_at=starts_at,
                    ends_at=_end_of(ask, starts_at, terms),
                    target_w=ask.target_w or enrolled_w(row.program, row.scope),
                    created_by=None,
                    now=now,
                )
                OperatorAsk.objects.create(
                    operator_event=row,
                    grid_event=event,
                    randomize_seconds=ask.randomize_seconds,
                    is_emergency=ask.is_emergency,
                    scope=row.scope,
                )
        except Refusal as refusal:
            return f"it cannot be asked of owners: {refusal.reason}"
        return ""

    return make
