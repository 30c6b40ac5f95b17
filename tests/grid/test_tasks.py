"""Each sweep of the timetable is a task by that name, makes one flow call and runs on an empty platform."""

from datetime import datetime

import pytest
import time_machine

from accounts.models import User
from chargescape.celery import app
from grid import tasks
from grid.flows.plans.planning import plan_due
from grid.models import Plan
from tests.factories import nights

NAMES = sorted(
    str(entry["task"]) for entry in app.conf.beat_schedule.values() if str(entry["task"]).startswith("grid.")
)


def test_timetable_names_every_task_of_the_room() -> None:
    named = {task.name for task in vars(tasks).values() if getattr(task, "name", "").startswith("grid.tasks.")}

    assert named == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_task_runs_on_an_empty_platform(name: str, db: None) -> None:
    app.tasks[name]()


def test_task_works_off_what_is_due_by_the_platforms_clock(alice: User, now: datetime) -> None:
    nights.plugged_car(alice, now=now)

    with time_machine.travel(now, tick=False):
        app.tasks["grid.tasks.plan_due"]()

    assert Plan.objects.get().made_at == now
    assert plan_due(now=now, limit=10) == 0
