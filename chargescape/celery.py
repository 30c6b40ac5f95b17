"""The Celery app and the whole timetable. Ticks are wall intervals; what is due is decided by rows in the database."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chargescape.settings")

app = Celery("chargescape")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(ticks: int, task: str) -> tuple[str, dict[str, object]]:
    seconds = ticks * settings.SWEEP_SECONDS
    # A tick that waited longer than its interval is dropped: the next one finds the same rows.
    return task, {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}


app.conf.beat_schedule = dict(
    [
        _every(1, "vehicles.tasks.read_due_vehicles"),
        _every(1, "vehicles.tasks.send_due_commands"),
        _every(1, "vehicles.tasks.confirm_commands"),
        _every(12, "vehicles.tasks.refresh_idle_links"),
        _every(6, "grid.tasks.fetch_due_feeds"),
        _every(1, "grid.tasks.announce_due_events"),
        _every(1, "grid.tasks.plan_due"),
        _every(1, "grid.tasks.dispatch_due"),
        _every(2, "grid.tasks.settle_due"),
        _every(2, "grid.tasks.post_due_settlements"),
        _every(2, "rewards.tasks.request_due_payouts"),
        _every(1, "rewards.tasks.send_due_payouts"),
        _every(2, "rewards.tasks.resolve_unknown_payouts"),
        _every(1, "rewards.tasks.apply_due_webhooks"),
        _every(12, "rewards.tasks.check_ledger"),
        _every(6, "accounts.tasks.send_due_notices"),
    ]
)
