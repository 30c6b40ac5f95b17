"""The sweeps of the accounts room."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from accounts import tasks
from accounts.flows.notices import notify
from accounts.models import Notice, User
from chargescape.celery import app
from tests.page_world import stop_clock

pytestmark = pytest.mark.django_db


def test_sweep_e_mails_what_waits_once(alice: User, now: datetime, settings: Any, tmp_path: Path) -> None:
    stop_clock(settings, tmp_path, now)
    notify(user=alice, kind="enrolled", key="k", params={"vehicle": "Lightning", "program": "P"}, now=now)
    for _ in range(2):
        tasks.send_due_notices()
        tasks.send_due_pushes()
    assert len(mail.outbox) == 1
    assert Notice.objects.get().emailed_at == now


def test_timetable_names_the_sweeps() -> None:
    names = {"accounts.tasks.send_due_notices", "accounts.tasks.send_due_pushes"}
    assert names <= set(app.conf.beat_schedule)
    assert {tasks.send_due_notices.name, tasks.send_due_pushes.name} == names
