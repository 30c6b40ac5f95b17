"""Sweeps of what spans rooms."""

import logging

from celery import shared_task

from chargescape.api import keys

logger = logging.getLogger(__name__)


@shared_task(name="chargescape.tasks.forget_old_keys")
def forget_old_keys() -> None:
    """Forget idempotency keys after a day."""
    logger.info("idempotency keys forgotten: %d", keys.forget_old(limit=5_000))
