"""Sweeps of the accounts room."""

import logging

from celery import shared_task

from accounts.flows import delivering
from foundation import clock

logger = logging.getLogger(__name__)


EMAILS_A_SWEEP = 200
PUSHES_A_SWEEP = 200


@shared_task(name="accounts.tasks.send_due_notices")
def send_due_notices() -> None:
    """Decide how new notices go out, and e-mail what is due."""
    _log("notices e-mailed", delivering.send_due_notices(now=clock.now(), limit=EMAILS_A_SWEEP))


@shared_task(name="accounts.tasks.send_due_pushes")
def send_due_pushes() -> None:
    """Push what is due to the browsers that want it."""
    _log("notices pushed", delivering.send_due_pushes(now=clock.now(), limit=PUSHES_A_SWEEP))


def _log(what: str, count: int) -> None:
    if count:
        logger.info("%s: %d", what, count)
