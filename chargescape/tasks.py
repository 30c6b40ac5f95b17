"""Sweeps of what spans rooms."""

import logging

from celery import shared_task

from chargescape import closing, exporting
from chargescape.api import keys
from foundation import clock

logger = logging.getLogger(__name__)


@shared_task(name="chargescape.tasks.forget_old_keys")
def forget_old_keys() -> None:
    """Forget idempotency keys after a day."""
    logger.info("idempotency keys forgotten: %d", keys.forget_old(limit=5_000))


@shared_task(name="chargescape.tasks.make_due_exports")
def make_due_exports() -> None:
    """Make the copies of their data that owners asked for, and forget those over a day old."""
    if made := exporting.make_due_exports(now=clock.now(), limit=2):
        logger.info("exports made: %d", made)


@shared_task(name="chargescape.tasks.close_due_accounts")
def close_due_accounts() -> None:
    """Close the accounts of owners who asked for it and are owed nothing any more."""
    if closed := closing.close_due_accounts(now=clock.now(), limit=20):
        logger.info("accounts closed: %d", closed)
