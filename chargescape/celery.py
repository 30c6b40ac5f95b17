"""The Celery app and the whole timetable. Ticks are wall intervals; what is due is decided by rows in the database."""

import os

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chargescape.settings")

app = Celery("chargescape")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def warm_planner(**_about: object) -> None:
    """Load the compiled planner once, before the worker's processes part from it, so that no sweep waits for it."""
    from grid.arrays.bulk import warm  # noqa: PLC0415 - the web process needs no compiler

    warm()


TICKS = {
    "vehicles.tasks.read_due_vehicles": 1,
    "vehicles.tasks.send_due_commands": 1,
    "vehicles.tasks.confirm_commands": 1,
    "vehicles.tasks.refresh_idle_links": 12,
    "vehicles.tasks.poll_due_attempts": 1,
    "vehicles.tasks.list_due_accounts": 12,
    "vehicles.tasks.forget_old_messages": 720,
    "vehicles.tasks.forget_old_counts": 720,
    "grid.tasks.fetch_due_feeds": 6,
    "grid.tasks.poll_due_operators": 1,
    "grid.tasks.report_due_events": 6,
    "grid.tasks.announce_due_events": 1,
    "grid.tasks.plan_due": 1,
    "grid.tasks.forget_old_plans": 12,
    "grid.tasks.dispatch_due": 1,
    "grid.tasks.balance_due": 1,
    "grid.tasks.settle_due": 2,
    "grid.tasks.post_due_settlements": 2,
    "grid.tasks.close_reviews": 2,
    "grid.tasks.pay_due_earnings": 12,
    "grid.tasks.nominate_due": 12,
    "grid.tasks.draft_due_invoices": 12,
    "grid.tasks.weigh_due_stays": 12,
    "grid.tasks.remind_before_events": 2,
    "grid.tasks.remind_to_plug_in": 6,
    "grid.tasks.warn_of_departures": 2,
    "grid.tasks.tell_of_changed_terms": 12,
    "rewards.tasks.request_due_payouts": 2,
    "rewards.tasks.send_due_payouts": 1,
    "rewards.tasks.resolve_unknown_payouts": 2,
    "rewards.tasks.follow_bank_payouts": 6,
    "rewards.tasks.apply_due_webhooks": 1,
    "rewards.tasks.refresh_due_accounts": 6,
    "rewards.tasks.reconcile_due": 12,
    "rewards.tasks.seal_transfers": 6,
    "rewards.tasks.check_ledger": 12,
    "chargescape.tasks.make_due_exports": 1,
    "chargescape.tasks.close_due_accounts": 12,
    "accounts.tasks.send_due_notices": 2,
    "accounts.tasks.send_due_pushes": 2,
    "chargescape.tasks.forget_old_keys": 720,
}


def timetable(tick_seconds: float) -> dict[str, dict[str, object]]:
    """Return the beat timetable: every sweep, each so many ticks of `tick_seconds` wall time."""
    schedule: dict[str, dict[str, object]] = {}
    for task, ticks in TICKS.items():
        seconds = ticks * tick_seconds
        # A tick that waited longer than its interval is dropped: the next one finds the same rows.
        schedule[task] = {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}
    return schedule
