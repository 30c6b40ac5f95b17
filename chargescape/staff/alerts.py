"""What a person should look at now: each alert says what is wrong, what to do, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chargescape.staff.bases import admin_list
from chargescape.staff.queues import Queue
from foundation import clock
from grid.flows.operators.openadr2b import running_out, unasked
from grid.models import Feed, Feeder, GridEvent, OperatorLink
from rewards.flows.pauses import current_pause, open_findings
from rewards.models import Payout
from vehicles.flows import heartbeats
from vehicles.flows.makers import MakerBoard
from vehicles.flows.stopping import stop_in_force
from vehicles.models import Command, VehicleLink

STALE_FEED = timedelta(hours=30)  # a day-ahead market speaks once a day
BEHIND = timedelta(hours=6)  # no source's newest value ends so long ago while it has something to say
OFTEN = 3  # failures in a row


@dataclass(frozen=True)
class Alert:
    """One thing to look at, and where."""

    text: str
    href: str = ""


def queue_alert(queue: Queue) -> Alert:
    """Return the alert of work that waits too long."""
    minutes = int((queue.oldest or timedelta()).total_seconds() // 60)
    return Alert(f"{queue.name.capitalize()}: {queue.due} wait, the oldest for {minutes} min. Do worker and beat run?")


def car_alerts(makers: Sequence[MakerBoard], *, now: datetime, late: timedelta, wall: datetime) -> list[Alert]:
    """Return what is wrong with cars, links and makers."""
    found = []
    if (order := stop_in_force()) is not None:
        found.append(Alert(f"Everything is stopped: {order.reason}", admin_list("vehicles_stoporder")))
    if heartbeats.is_silent(heartbeats.heartbeats(heartbeats.WATCHDOG), wall=wall):
        text = "No watchdog has been heard of for half a minute. Cars held by stop and start would stay held."
        found.append(Alert(text, admin_list("vehicles_heartbeat")))
    if overdue := Command.objects.open_holds().filter(ends_at__lt=now - late).count():
        text = f"{overdue} holds are past their end and not known to be over. Does the watchdog run?"
        found.append(Alert(text, admin_list("vehicles_command")))
    if broken := VehicleLink.objects.filter(state=VehicleLink.State.NEEDS_RELINK).count():
        where = admin_list("vehicles_vehiclelink", "state__exact=needs_relink")
        found.append(Alert(f"{broken} links wait for their owners to link again.", where))
    found += [
        Alert(f"{row.name} is switched off: {row.switch.reason}", admin_list("vehicles_makerswitch"))
        for row in makers
        if row.switch is not None and not row.is_on
    ]
    return found


def grid_alerts(*, now: datetime) -> list[Alert]:
    """Return what is wrong with events, feeds and the servers of utilities."""
    found = []
    if drafts := GridEvent.objects.filter(state=GridEvent.State.DRAFT, starts_at__gt=now).count():
        where = admin_list("grid_gridevent", "state__exact=draft")
        found.append(Alert(f"{drafts} events wait for a second person.", where))
    over = Feeder.objects.filter(over_since__isnull=False).select_related("utility")[:50]
    found += [
        Alert(
            f"{wire} of {wire.utility} carries {wire.load_w / 1000:,.0f} kW of cars and may carry "
            f"{wire.cap_w / 1000:,.0f}: those that must charge cannot wait.",
            admin_list("grid_feeder"),
        )
        for wire in over
    ]
    feeds = Feed.objects.filter(is_active=True).order_by("pk")[:200]
    found += [
        Alert(f"{feed} brings nothing new: {feed.failure or 'silent'}.", admin_list("grid_feed"))
        for feed in feeds
        if feed.failures >= OFTEN
        or (feed.fetched_at is not None and feed.fetched_at < now - STALE_FEED)
        or (feed.latest_ends_at is not None and feed.latest_ends_at < now - BEHIND)
    ]
    links = OperatorLink.objects.filter(is_active=True, failures__gte=OFTEN).select_related("utility")[:50]
    found += [
        Alert(f"The server of {link.utility} does not answer: {link.failure}.", admin_list("grid_operatorlink"))
        for link in links
    ]
    if silent := unasked(now=now).count():
        where = admin_list("grid_operatorlink", "protocol__exact=openadr-2.0b")
        found.append(Alert(f"{silent} servers of OpenADR 2.0b are not asked. Does openadr2b run?", where))
    if late := ", ".join(str(link) for link in running_out(at=clock.wall())):
        found.append(Alert(f"Our certificate runs out within 30 days: {late}.", admin_list("grid_operatorlink")))
    return found


def money_alerts(*, now: datetime) -> list[Alert]:
    """Return what keeps money from arriving."""
    found = []
    if (pause := current_pause()) is not None:
        found.append(Alert(f"All payouts are paused: {pause.reason}", admin_list("rewards_payoutpause")))
    if differences := len(open_findings()):
        found.append(
            Alert(f"{differences} differences with the processor are open.", admin_list("rewards_reconciliation"))
        )
    if count := Payout.objects.to_approve().count():
        found.append(
            Alert(f"{count} payouts wait for two people.", admin_list("rewards_payout", "state__exact=requested"))
        )
    yesterday = now - timedelta(days=1)
    if old := Payout.objects.filter(state=Payout.State.UNKNOWN, requested_at__lt=yesterday).count():
        found.append(
            Alert(f"{old} payouts are unknown for a day.", admin_list("rewards_payout", "state__exact=unknown"))
        )
    return found
