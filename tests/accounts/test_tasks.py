"""The sweep of the accounts room."""

from datetime import datetime

import pytest
from django.core import mail

from accounts.flows.notices import notify
from accounts.models import Notice, User
from accounts.tasks import send_due_notices
from chargescape.celery import app

pytestmark = pytest.mark.django_db


def test_sweep_e_mails_what_waits_once(alice: User, now: datetime) -> None:
    notify(user=alice, kind="enrolled", key="k", params={"vehicle": "Lightning", "program": "P"}, now=now)
    for _ in range(2):
        send_due_notices()
    assert len(mail.outbox) == 1
    assert Notice.objects.get().emailed_at is not None


def test_timetable_names_the_sweep() -> None:
    assert "accounts.tasks.send_due_notices" in app.conf.beat_schedule
    assert send_due_notices.name == "accounts.tasks.send_due_notices"
