"""The sweeps: every task of the timetable exists and does one flow's work."""

import pytest
import responses

from chargescape.celery import app
from tests.vehicles.maker_double import MakerDouble
from vehicles import tasks
from vehicles.models import ChargeReading, Vehicle


def test_timetable_names_tasks_that_exist() -> None:
    wanted = {entry["task"] for entry in app.conf.beat_schedule.values() if entry["task"].startswith("vehicles.")}

    assert wanted == {task.name for task in vars(tasks).values() if hasattr(task, "delay")}


@pytest.mark.usefixtures("timed_car")
def test_sweeps_read_the_clock_and_do_their_flow(maker: MakerDouble) -> None:
    for task in (tasks.read_due_vehicles, tasks.send_due_commands, tasks.confirm_commands, tasks.refresh_idle_links):
        task()

    assert ChargeReading.objects.count() == 2
    assert maker.counts["GET telemetry"] == 1


def test_nothing_due_is_nothing_done(timed_car: Vehicle, door: responses.RequestsMock) -> None:
    Vehicle.objects.update(next_read_at=None)

    for task in (tasks.read_due_vehicles, tasks.send_due_commands, tasks.confirm_commands, tasks.refresh_idle_links):
        task()

    assert len(door.calls) == 0
