"""What we answer a 2.0b server to its events: optIn where what it asks stands, optOut with the reason where not.

The answer is read off our own events each time, so that it follows what people decide later: an approval, a refusal, a
car that enrols. What was answered is kept, and where the answer is another one now, the server is told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from grid.flows.operators.following import OURS, enrolled_w
from grid.flows.operators.operators import count_of
from grid.gateway import read_record
from grid.models import GridEvent, OperatorEvent, OperatorLink
from grid.operators.base import Asked, OperatorUnreadable
from grid.operators.openadr2b.asking import OVER, is_test
from grid.operators.openadr2b.messages import read_length
from grid.operators.openadr2b.saying import Answer
from grid.operators.openadr3.times import read_instant

INVALID_DATA, SIGNAL_NOT_SUPPORTED = 454, 460
NOT_PARTICIPATING, OVERRIDE = "notParticipating", "overrideStatus"
STANDING = (GridEvent.State.SCHEDULED, GridEvent.State.ANNOUNCED, GridEvent.State.SETTLED)


def answer_to(row: OperatorEvent, *, now: datetime) -> Answer | None:
    """Return what we say to an event now; None where none is wanted, or where it is over."""
    record = row.record
    if record.get("responseRequired") == "never" or _is_over(row, now):
        return None
    revision = count_of(record)
    event_id = str(record.get("id"))

    def out(reason: str, *, code: int = 200, opt_reason: str = NOT_PARTICIPATING) -> Answer:
        return Answer(event_id, revision, is_in=False, code=code, reason=reason[:200], opt_reason=opt_reason)

    if row.state == OperatorEvent.State.UNREADABLE:
        return out(_first(row.questions) or "not understood", code=INVALID_DATA)
    try:
        asked = read_record(record, program=row.program, enrolled_w=enrolled_w(row.program), now=now)
    except OperatorUnreadable as error:
        return out(str(error), code=INVALID_DATA)
    if not asked.asks:
        if asked.questions and not asked.series:
            return out(asked.questions[0], code=SIGNAL_NOT_SUPPORTED)
        return Answer(event_id, revision, is_in=True, reason="test" if is_test(record) else "")
    why_not, opt_reason = _why_not(row, asked)
    if why_not:
        return out(why_not, opt_reason=opt_reason)
    return Answer(event_id, revision, is_in=True, reason=_first(row.questions)[:200])


def _why_not(row: OperatorEvent, asked: Asked) -> tuple[str, str]:
    """Return why nothing of what is asked stands with us, and the protocol's word for it; empty where it stands."""
    if not enrolled_w(row.program):
        return "no car takes part in the program", NOT_PARTICIPATING
    first = min(ask.starts_at for ask in asked.asks)
    ours = [ask.grid_event for ask in row.asks.all() if ask.grid_event.ends_at > first]
    if any(event.state in STANDING for event in ours):
        return "", ""
    if any(event.state == GridEvent.State.DRAFT for event in ours):
        return "it waits for a person's approval", OVERRIDE
    if any(event.cancel_reason not in OURS for event in ours):
        return "a person declined it", OVERRIDE
    return _first(row.questions) or "it cannot be taken", NOT_PARTICIPATING


def _is_over(row: OperatorEvent, now: datetime) -> bool:
    if row.record.get("status") == "completed":
        return True
    try:
        length = read_length(str(row.record.get("duration")))
        return bool(length) and read_instant(row.record.get("start")) + length <= now
    except (OperatorUnreadable, OverflowError):
        return False


def _first(questions: Sequence[object]) -> str:
    return str(questions[0]) if questions else ""


def changed_answers(link: OperatorLink, *, now: datetime, limit: int) -> list[tuple[OperatorEvent, Answer]]:
    """Return the events that were answered otherwise than we would answer now, and what to say instead."""
    answered = OperatorEvent.objects.filter(program__link=link, wanted_until__gt=now).exclude(answer="")
    answered = answered.exclude(state=OperatorEvent.State.GONE)
    rows = answered.exclude(record__status__in=sorted(OVER)).select_related(
        "program__link", "program__program__utility"
    )
    changed: list[tuple[OperatorEvent, Answer]] = []
    for row in rows.prefetch_related("asks__grid_event").order_by("-seen_at")[:limit]:
        answer = answer_to(row, now=now)
        if answer is not None and answer.opt_type != row.answer:
            changed.append((row, answer))
    return changed


def keep_answers(rows: Iterable[OperatorEvent], answers: Sequence[Answer]) -> None:
    """Note what the server was told."""
    by_id = {answer.event_id: answer for answer in answers}
    for row in rows:
        answer = by_id.get(str(row.record.get("id")))
        if answer is not None:
            OperatorEvent.objects.filter(pk=row.pk).update(
                answer=answer.opt_type, answer_reason=answer.reason, answered_revision=answer.revision
            )
