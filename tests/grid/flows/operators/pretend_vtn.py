"""A utility's server of OpenADR 3.1 at the HTTP door, for tests of what its events become."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import responses

from accounts.models import User
from grid.flows.operators import operators
from grid.models import GridEvent, OperatorLink, OperatorProgram
from sandbox.vtn.events import word_event
from tests.factories import grid as make
from tests.openadr3_spec import judge

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
        door.add("GET", f"{BASE}/programs", json=[])
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
        targets = changes.pop("targets", None)
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
        self.events[identity] = stamps | body | {"targets": targets}
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
