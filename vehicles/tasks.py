"""The car room's sweeps. Each reads the clock, makes one flow call and logs the count."""

import logging

from celery import shared_task
from django.conf import settings

from foundation import clock
from vehicles.flows import budgets, commands, device_codes, discovering, links, pushes, telemetry

logger = logging.getLogger(__name__)

# A round ends after 15 seconds whatever is left; the limits are what a process can do in that time.
READINGS_A_SWEEP = 2_000
COMMANDS_A_SWEEP = 1_000
LINKS_A_SWEEP = 1_000
COUNTS_A_SWEEP = 5_000
WORKERS: int = settings.MAKER_CALLS_AT_ONCE  # calls wait on makers, not on us


@shared_task(name="vehicles.tasks.read_due_vehicles")
def read_due_vehicles() -> None:
    """Read the cars whose reading is due."""
    _log("cars read", telemetry.read_due_vehicles(now=clock.now(), limit=READINGS_A_SWEEP, workers=WORKERS))


@shared_task(name="vehicles.tasks.send_due_commands")
def send_due_commands() -> None:
    """Send the commands that are due."""
    _log("commands tried", commands.send_due_commands(now=clock.now(), limit=COMMANDS_A_SWEEP, workers=WORKERS))


@shared_task(name="vehicles.tasks.confirm_commands")
def confirm_commands() -> None:
    """Compare commands under way with readings."""
    _log("commands confirmed", commands.confirm_commands(now=clock.now(), limit=COMMANDS_A_SWEEP, workers=WORKERS))


@shared_task(name="vehicles.tasks.refresh_idle_links")
def refresh_idle_links() -> None:
    """Renew grants before they lapse, and finish unlinking."""
    _log("links worked on", links.refresh_idle_links(now=clock.now(), limit=LINKS_A_SWEEP, workers=WORKERS))


@shared_task(name="vehicles.tasks.poll_due_attempts")
def poll_due_attempts() -> None:
    """Ask makers whether device codes were typed."""
    ended = device_codes.poll_due_attempts(now=clock.now(), limit=LINKS_A_SWEEP, workers=WORKERS)
    _log("link attempts ended", ended)


@shared_task(name="vehicles.tasks.list_due_accounts")
def list_due_accounts() -> None:
    """Look for cars that came into linked accounts."""
    _log("cars found", discovering.list_due_accounts(now=clock.now(), limit=LINKS_A_SWEEP, workers=WORKERS))


@shared_task(name="vehicles.tasks.forget_old_messages")
def forget_old_messages() -> None:
    """Forget which pushed messages were applied, once nobody repeats them."""
    _log("pushed messages forgotten", pushes.forget_old_messages())


@shared_task(name="vehicles.tasks.forget_old_counts")
def forget_old_counts() -> None:
    """Forget counts of calls that neither budgets nor bills need any more."""
    _log("counts forgotten", budgets.forget_old_counts(now=clock.now(), limit=COUNTS_A_SWEEP))


def _log(what: str, count: int) -> None:
    if count:
        logger.info("%s: %d", what, count)
