"""Random histories of what a utility does at its server, against a model of what should stand with us."""

import os
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from grid.flows.events.announcing import announce_due_events
from grid.models import Feeder, OperatorEvent, OperatorProgram, OwedReport, Site
from tests.grid.flows.operators.pretend_vtn import HOUR, Vtn, poll, program, standing, vtn

__all__ = ["program", "vtn"]  # fixtures

pytestmark = pytest.mark.django_db
STEP = timedelta(minutes=75)
MOST_SILENT = 2  # looks in a row that the server does not answer
LEAST = timedelta(minutes=5)  # of what a more urgent event leaves
UNKNOWN = "neptune"
Span = tuple[datetime, datetime]


class Histories:
    """What a utility may do between two looks, and what of it should stand. Events overlap and yield by priority."""

    def __init__(self, vtn: Vtn, seed: int) -> None:
        self.vtn = vtn
        self.dice = random.Random(seed)  # noqa: S311 - a history to replay
        self.expected: dict[str, dict[str, Any]] = {}
        self.unseen: set[str] = set()  # said since the server last answered
        self.heard: list[str] = []  # in the order in which we heard of them

    def act(self, now: datetime) -> None:
        """Do one thing to one event."""
        identity = f"e{self.dice.randrange(5)}"
        known = self.expected.get(identity)
        does = self.dice.choice(["ask", "ask", "ask", "delete", "shrink", "break", "forget", "nothing"])
        if does == "ask":
            self._ask(identity, now)
        elif known is None or known["starts_at"] <= self._soonest(now) or identity not in self.vtn.events:
            return
        elif does == "delete":
            del self.vtn.events[identity], self.expected[identity]
        elif does == "shrink":
            self.vtn.changes += 1
            stamp = self.vtn.now + timedelta(seconds=self.vtn.changes)
            changes: dict[str, Any] = {"targets": None, "intervals": [], "modificationDateTime": stamp.isoformat()}
            self.vtn.events[identity] = self.vtn.events[identity] | changes
            del self.expected[identity]
        elif identity in self.unseen:
            return  # what was never understood can be neither doubted nor forgotten
        elif does == "break":
            self.vtn.events[identity] = self.vtn.events[identity] | {"targets": 7}
        elif does == "forget":
            self.vtn.hidden[identity] = self.vtn.events.pop(identity)

    def _soonest(self, now: datetime) -> datetime:
        """What is asked or changed too late to reach owners in time is another test's matter."""
        return now + (MOST_SILENT + 1) * STEP + timedelta(minutes=20)

    def _ask(self, identity: str, now: datetime) -> None:
        slot = self.vtn.now + (6 + 1.5 * int(identity[1])) * HOUR
        starts_at = slot + timedelta(minutes=self.dice.randrange(0, 90, 3))
        known = self.expected.get(identity, {})
        if min(starts_at, known.get("starts_at", starts_at)) <= self._soonest(now):
            return
        if identity in self.vtn.hidden:
            self.vtn.events[identity] = self.vtn.hidden.pop(identity)
        hours, target_kw = self.dice.choice([0.5, 1, 1.5, 2.5]), self.dice.choice([10.0, 20.0, 30.0])
        targets = self.dice.choice([None, None, ["fleet-1"], ["feeder-7"], [UNKNOWN], ["feeder-7", UNKNOWN]])
        pieces, reports = (
            self.dice.choice([1, 2]),
            self.dice.choice(["the result", "each car by itself, and the result"]),
        )
        priority = self.dice.randrange(3)
        ahead = (starts_at - self.vtn.now) / HOUR
        wish = {"priority": priority, "reports": reports, "pieces": pieces, "targets": targets}
        self.vtn.ask(identity, ahead=ahead, hours=hours, target_kw=target_kw, **wish)
        self.unseen.add(identity)
        self.expected[identity] = {
            "starts_at": starts_at,
            "ends_at": starts_at + hours * HOUR,
            "target_w": int(target_kw * 1000),
            "priority": priority,
            "is_for_somebody": targets != [UNKNOWN],
            "pieces": pieces,
            "reports": 1 if reports == "the result" else 2,
        }

    def hear(self) -> None:
        """The server answered: what it said is known now."""
        self.unseen.clear()
        self.heard += [identity for identity in self.vtn.events if identity not in self.heard]

    def stands(self) -> list[tuple[datetime, datetime, int]]:
        """Return what should stand: each event's own time, less what those before it in rank have."""
        taken: list[Span] = []
        found = []
        ranks = {key: (event["priority"], self.heard.index(key)) for key, event in self.expected.items()}
        for key in sorted(ranks, key=lambda key: ranks[key]):
            event = self.expected[key]
            if not event["is_for_somebody"]:
                continue
            left = [(event["starts_at"], event["ends_at"])]
            for starts_at, ends_at in taken:
                left = [
                    piece
                    for span in left
                    for piece in (
                        [span]
                        if ends_at <= span[0] or span[1] <= starts_at
                        else [(span[0], min(span[1], starts_at)), (max(span[0], ends_at), span[1])]
                    )
                    if piece[0] < piece[1]
                ]
            taken.append((event["starts_at"], event["ends_at"]))
            found += [(*span, event["target_w"]) for span in left if span[1] - span[0] >= LEAST]
        return sorted(found)


def check_reports(history: Histories, at: datetime) -> None:
    """Each event that stands is owed the reports it asks for, on its own intervals as they are now."""
    for key, event in history.expected.items():
        row = OperatorEvent.objects.get(remote_id=key)
        assert bool(row.wanted.get("asks")) == event["is_for_somebody"]
        owed = list(OwedReport.objects.filter(event=row).exclude(wish="opt-outs"))
        assert len(owed) == event["reports"], (key, at)
        for report in owed:
            windows = [
                (datetime.fromisoformat(starts), datetime.fromisoformat(ends)) for _, starts, ends in report.windows
            ]
            assert (windows[0][0], windows[-1][1], len(windows)) == (
                event["starts_at"],
                event["ends_at"],
                event["pieces"],
            )
            assert report.due_at == event["ends_at"] + LEAST


@pytest.mark.parametrize("seed", range(500 if os.environ.get("CHARGESCAPE_FULL") else 12))
def test_random_history_agrees_with_its_model(vtn: Vtn, program: OperatorProgram, now: datetime, seed: int) -> None:
    feeder = Feeder.objects.create(utility=program.program.utility, name="feeder-7", cap_w=50_000)
    Site.objects.update(feeder=feeder)
    history = Histories(vtn, seed)
    silent = 0
    for step in range(15):
        at = now + step * STEP
        for _ in range(history.dice.randrange(4)):
            history.act(at)
        silent = silent + 1 if silent < MOST_SILENT and history.dice.random() < 0.3 else 0
        vtn.status = 503 if silent else 200
        poll(at)
        announce_due_events(now=at, limit=5)
        if not silent:
            history.hear()
            wanted = [span for span in history.stands() if span[1] > at]
            assert [span[1:] for span in standing() if span[2] > at] == wanted, (seed, step)
            check_reports(history, at)
