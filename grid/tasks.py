"""The grid room's sweeps: each makes one flow call and says how much it did."""

import logging

from celery import shared_task

from foundation import clock
from grid.flows.dispatch import balancing, dispatching
from grid.flows.events import events
from grid.flows.operators import nominating, operators, reporting, reports_owed
from grid.flows.owners import reminding, saving, warning
from grid.flows.plans import forgetting, planning
from grid.flows.prices import feeds
from grid.flows.settlement import invoicing, paying, reviewing, settling

logger = logging.getLogger(__name__)


@shared_task(name="grid.tasks.fetch_due_feeds")
def fetch_due_feeds() -> None:
    """Fetch prices and carbon that are due."""
    _report("feeds fetched", feeds.fetch_due_feeds(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.poll_due_operators")
def poll_due_operators() -> None:
    """Ask the utilities' servers that are due."""
    _report("utilities asked", operators.poll_due_operators(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.report_due_events")
def report_due_events() -> None:
    """Send utilities the reports they are owed."""
    _report("reports sent", reporting.report_due_events(limit=20))
    _report("reports sent that were asked for", reports_owed.send_owed_reports(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.announce_due_events")
def announce_due_events() -> None:
    """Tell owners of events that are due to be announced."""
    _report("events announced", events.announce_due_events(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.plan_due")
def plan_due() -> None:
    """Plan the cars that are due."""
    _report("plans made", planning.plan_due(now=clock.now(), limit=8000))


@shared_task(name="grid.tasks.forget_old_plans")
def forget_old_plans() -> None:
    """Forget superseded plans of over two weeks ago."""
    _report("old plans forgotten", forgetting.forget_old_plans(now=clock.now(), limit=5000))


@shared_task(name="grid.tasks.dispatch_due")
def dispatch_due() -> None:
    """Steer the cars that are due."""
    _report("cars steered", dispatching.dispatch_due(now=clock.now(), limit=5000))


@shared_task(name="grid.tasks.balance_due")
def balance_due() -> None:
    """Look at the events that run, and ask others for what stragglers do not give."""
    _report("events balanced", balancing.balance_due(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.settle_due")
def settle_due() -> None:
    """Settle the events that are due."""
    _report("settlements made", settling.settle_due(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.post_due_settlements")
def post_due_settlements() -> None:
    """Post settlements to the ledger."""
    _report("settlements posted", settling.post_due_settlements(now=clock.now(), limit=200))


@shared_task(name="grid.tasks.pay_due_earnings")
def pay_due_earnings() -> None:
    """Credit what programs pay besides their rate per kWh."""
    _report("earnings written", paying.pay_due_earnings(now=clock.now(), limit=500))


@shared_task(name="grid.tasks.weigh_due_stays")
def weigh_due_stays() -> None:
    """Work out what finished stays saved beside the cash."""
    _report("stays weighed", saving.weigh_due_stays(now=clock.now(), limit=500))


@shared_task(name="grid.tasks.remind_before_events")
def remind_before_events() -> None:
    """Remind owners of events that begin within the hour."""
    _report("events reminded of", reminding.remind_before_events(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.remind_to_plug_in")
def remind_to_plug_in() -> None:
    """Remind owners whose car is not at its plug in the evening."""
    _report("owners reminded to plug in", reminding.remind_to_plug_in(now=clock.now(), limit=500))


@shared_task(name="grid.tasks.warn_of_departures")
def warn_of_departures() -> None:
    """Warn owners whose car will not be ready in time."""
    _report("departures at risk", warning.warn_of_departures(now=clock.now(), limit=5000))


@shared_task(name="grid.tasks.tell_of_changed_terms")
def tell_of_changed_terms() -> None:
    """Tell owners of new terms of their program."""
    _report("new terms told of", warning.tell_of_changed_terms(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.close_reviews")
def close_reviews() -> None:
    """Let results stand whose time to object has passed, and tell utilities of new ones."""
    _report("reviews closed", reviewing.close_reviews(now=clock.now(), limit=100))


@shared_task(name="grid.tasks.nominate_due")
def nominate_due() -> None:
    """Nominate tomorrow for programs whose time has come."""
    _report("programs nominated", nominating.nominate_due(now=clock.now(), limit=20))


@shared_task(name="grid.tasks.draft_due_invoices")
def draft_due_invoices() -> None:
    """Draft last month's invoices."""
    _report("invoices drafted", invoicing.draft_due_invoices(now=clock.now(), limit=20))


def _report(what: str, count: int) -> None:
    if count:
        logger.info("%s: %d", what, count)
