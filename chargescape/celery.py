"""The Celery app and the whole timetable. Ticks are wall intervals; what is due is decided by rows in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chargescape.settings")

app = Celery("chargescape")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(seconds: float, task: str) -> tuple[str, dict[str, object]]:
    # A tick that waited longer than its interval is dropped: the next one finds the same rows.
    return task, {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5)}}


app.conf.beat_schedule = dict(
    [
        _every(5, "vehicles.tasks.read_due_vehicles"),
        _every(5, "vehicles.tasks.send_due_commands"),
        _every(5, "vehicles.tasks.confirm_commands"),
        _every(60, "vehicles.tasks.refresh_idle_links"),
        _every(30, "grid.tasks.fetch_due_feeds"),
        _every(5, "grid.tasks.announce_due_events"),
        _every(5, "grid.tasks.plan_due"),
        _every(5, "grid.tasks.dispatch_due"),
        _every(10, "grid.tasks.settle_due"),
        _every(10, "grid.tasks.post_due_settlements"),
        _every(10, "rewards.tasks.request_due_payouts"),
        _every(5, "rewards.tasks.send_due_payouts"),
        _every(10, "rewards.tasks.resolve_unknown_payouts"),
        _every(5, "rewards.tasks.apply_due_webhooks"),
        _every(60, "rewards.tasks.check_ledger"),
        _every(30, "accounts.tasks.send_due_notices"),
    ]
)
