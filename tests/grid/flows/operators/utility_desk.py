"""The sandbox's utility over real HTTP, and a small fleet beside it, for tests of what is told to utilities."""

from datetime import datetime
from typing import Any

import requests

from accounts.models import User
from grid.flows.events.announcing import announce_due_events
from grid.flows.operators.operators import poll_due_operators
from grid.flows.operators.reports_owed import send_owed_reports
from grid.models import Enrollment, OperatorLink, OperatorProgram, OwedReport
from tests.factories import grid as make
from tests.factories import nights
from tests.openadr3_spec import judge
from tests.sandbox_process import SandboxProcess


class Utility:
    """The sandbox's utility and the platform beside it, at one simulated time."""

    def __init__(self, sandbox: SandboxProcess, now: datetime) -> None:
        self.sandbox, self.now = sandbox, now
        self.base = f"{sandbox.url}/vtn"
        self.clear()
        self.at(now)

    def clear(self) -> None:
        for what in ("events", "faults"):
            requests.delete(f"{self.base}/control/{what}", timeout=30)

    def at(self, now: datetime) -> datetime:
        self.now = now
        self.sandbox.control("PUT", "clock", simulated_at=now.isoformat(), rate=0)
        return now

    def ask(self, **wish: Any) -> dict[str, Any]:
        body = {"kind": "hold", "minutesAhead": 60, "minutes": 60, "targetKw": 20, "pieces": 4} | wish
        reply = requests.post(f"{self.base}/control/events", json=body, timeout=30)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    def fault(self, kind: str, **body: Any) -> None:
        assert requests.post(f"{self.base}/control/faults", json={"kind": kind, **body}, timeout=30).ok

    def reports(self, event: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The reports on the event by name, each judged."""
        rows = requests.get(f"{self.base}/control/reports", timeout=30).json()
        mine = [row for row in rows if row["eventID"] == event["id"]]
        for row in mine:
            judge("report", row)
        assert len({row["reportName"] for row in mine}) == len(mine)  # none is there twice
        return {row["reportName"]: row for row in mine}

    def link(self, program: Any, version: str = "3.1.0") -> OperatorProgram:
        row = make.operator_program(
            now=self.now,
            of=program,
            protocol=f"openadr-{version}",
            api_base=f"{self.base}/{version}",
            oauth_id="chargescape-ven",
            client_secret="charge-the-grid",
        )
        row.remote_id = requests.get(f"{self.base}/control/programs", timeout=30).json()[0]["id"]
        row.save()
        return row

    def poll(self) -> int:
        OperatorLink.objects.update(next_poll_at=None, lease_until=None)
        answered = poll_due_operators(now=self.now, limit=5)
        announce_due_events(now=self.now, limit=5)
        return answered

    def send(self) -> int:
        OwedReport.objects.update(next_try_at=None)
        return send_owed_reports(now=self.now, limit=50)


def told(report: dict[str, Any], resource: int = 0) -> list[dict[str, Any]]:
    return [
        {payload["type"]: payload["values"][0] for payload in interval["payloads"]}
        for interval in report["resources"][resource]["intervals"]
    ]


def fleet(count: int, now: datetime) -> list[Enrollment]:
    owners = [User.objects.create(email=f"owner-{place}@example.com") for place in range(count)]
    return [nights.plugged_car(owner, now=now, soc=40) for owner in owners]


def drive(cars: list[Enrollment], *, at: datetime, imported_wh: int, soc: float = 45) -> None:
    for car in cars:
        nights.reading(
            car.vehicle, at=at, soc=soc, imported_wh=imported_wh, exported_wh=0, charge_state="holding", power_w=0
        )
