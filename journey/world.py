"""Looks into the sandbox as its owner may: mail, true meters, the bank, the utility's desk."""

import re
import time
from datetime import datetime
from typing import Any

import requests


class World:
    """The sandbox's own control pages, by address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _get(self, path: str, **params: str) -> Any:
        answer = requests.get(f"{self.url}{path}", params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def code_mailed_to(self, address: str, *, seconds: float = 60) -> str:
        """Return the sign-up code in the newest message to `address`; waits for it to arrive."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in self._get("/mailbox/api/messages", to=address):
                found = re.search(r"\b([A-Z0-9]{3,4}-[A-Z0-9]{3,4}|[A-Z0-9]{6,8})\b", message["text"])
                if found:
                    return found[1]
            time.sleep(0.2)
        raise TimeoutError(f"No message with a code reached {address} within {seconds} s")

    def cars(self) -> list[dict[str, Any]]:
        """Return the true state of every car."""
        cars: list[dict[str, Any]] = self._get("/control/cars")
        return cars

    def car(self, vehicle_id: str) -> dict[str, Any]:
        """Return one car's true state and true meters."""
        car: dict[str, Any] = self._get(f"/control/cars/{vehicle_id}")
        return car

    def change_car(self, vehicle_id: str, **changes: Any) -> None:
        """Change the world: plug in, drive away, break something."""
        requests.patch(f"{self.url}/control/cars/{vehicle_id}", json=changes, timeout=30).raise_for_status()

    def served(self, vehicle_id: str) -> list[dict[str, Any]]:
        """Return every reading that the maker's cloud served of a car, with the true meters of that moment."""
        readings: list[dict[str, Any]] = self._get(f"/control/cars/{vehicle_id}/served")
        return readings

    def bank(self) -> list[dict[str, Any]]:
        """Return every payout that reached a bank."""
        arrivals: list[dict[str, Any]] = self._get("/control/bank")
        return arrivals

    def utility_program(self) -> str:
        """Return the id of the utility's program at its server."""
        programs = self._get("/vtn/control/programs")
        return str(programs[0]["id"])

    def utility_events(self) -> list[dict[str, Any]]:
        """Return what the utility's desk has asked."""
        events: list[dict[str, Any]] = self._get("/vtn/control/events")
        return events

    def utility_asks(self, *, kind: str, starts_at: datetime, minutes: int, target_kw: float) -> None:
        """Ask for help at the utility's desk, with reports before, in quarter hours and after."""
        wish = {
            "kind": kind,
            "startsAt": starts_at.isoformat(),
            "minutes": minutes,
            "targetKw": target_kw,
            "pieces": max(1, minutes // 15),
            "reports": "before, in quarter hours, and the result",
        }
        requests.post(f"{self.url}/vtn/control/events", json=wish, timeout=30).raise_for_status()

    def utility_reports(self) -> list[dict[str, Any]]:
        """Return the reports that came back to the utility."""
        reports: list[dict[str, Any]] = self._get("/vtn/control/reports")
        return reports

    def utility_results(self) -> list[dict[str, Any]]:
        """Return the reports on what came of whole events: they tell usage, baseline and power together."""
        told = {"USAGE", "BASELINE", "DEMAND"}
        return [
            report
            for report in self.utility_reports()
            if told <= {row["payloadType"] for row in report.get("payloadDescriptors") or []}
        ]
