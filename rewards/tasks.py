"""Sweeps of the rewards room: each may run twice or die half-way, and no cent is the worse for it."""

import logging

from celery import shared_task

from foundation import clock
from rewards import gateway, proofs
from rewards.flows import banking, onboarding, payouts, reconciling, webhooks

logger = logging.getLogger(__name__)


@shared_task(name="rewards.tasks.request_due_payouts")
def request_due_payouts() -> None:
    """Request the payouts whose payday has come."""
    logger.info("payouts requested: %d", payouts.request_due_payouts(now=clock.now(), limit=2000))


@shared_task(name="rewards.tasks.send_due_payouts")
def send_due_payouts() -> None:
    """Send requested payouts."""
    logger.info("payouts sent: %d", payouts.send_due_payouts(now=clock.now(), limit=1000))


@shared_task(name="rewards.tasks.resolve_unknown_payouts")
def resolve_unknown_payouts() -> None:
    """Look up payouts without a definite answer."""
    logger.info("payouts resolved: %d", payouts.resolve_unknown_payouts(now=clock.now(), limit=200))


@shared_task(name="rewards.tasks.follow_bank_payouts")
def follow_bank_payouts() -> None:
    """Follow sent payouts to the bank."""
    logger.info("payouts followed: %d", banking.follow_bank_payouts(now=clock.now(), limit=50))


@shared_task(name="rewards.tasks.apply_due_webhooks")
def apply_due_webhooks() -> None:
    """Apply what the processor pushed."""
    logger.info("webhooks applied: %d", webhooks.apply_due_webhooks(now=clock.now(), limit=50))


@shared_task(name="rewards.tasks.refresh_due_accounts")
def refresh_due_accounts() -> None:
    """Ask how payout accounts stand that were not heard of for a while."""
    if gateway.is_configured():
        logger.info("payout accounts refreshed: %d", onboarding.refresh_due_accounts(now=clock.now(), limit=20))


@shared_task(name="rewards.tasks.reconcile_due")
def reconcile_due() -> None:
    """Compare the processor's books with ours, where a day has passed."""
    logger.info("reconciliations finished: %d", reconciling.reconcile_due(now=clock.now(), limit=1))


@shared_task(name="rewards.tasks.seal_transfers")
def seal_transfers() -> None:
    """Seal new transfers into the chain."""
    logger.info("transfers sealed: %d", proofs.seal_transfers(limit=2000))


@shared_task(name="rewards.tasks.check_ledger")
def check_ledger() -> None:
    """Prove the books; findings are errors in the log."""
    findings = proofs.check()
    for finding in findings:
        logger.error("ledger: %s", finding)
    logger.info("ledger findings: %d", len(findings))
