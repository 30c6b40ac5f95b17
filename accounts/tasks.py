"""Sweeps of the accounts room."""

import logging

from celery import shared_task

from accounts.flows import notices
from foundation import clock

logger = logging.getLogger(__name__)


@shared_task(name="accounts.tasks.send_due_notices")
def send_due_notices() -> None:
    """E-mail the notices that wait for it."""
    logger.info("notices e-mailed: %d", notices.send_due_notices(now=clock.now(), limit=50))
