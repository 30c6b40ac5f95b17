"""The process that speaks OpenADR 2.0b: asks each such server when due, answers it, and tells it what it wants told.

The database is the bridge: what a server asks becomes rows, what is answered and reported is read off rows, and a link
is claimed for each visit, so that of two processes one speaks. Everything that touches the database runs in the one
thread that Django's connections belong to; nothing is held open over a call to the network.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from lxml import etree

from foundation import clock
from grid.flows.operators import openadr2b, operators, opting, telemetry
from grid.models import OperatorLink
from grid.operators.base import OperatorError, OperatorRefused, OperatorUnreachable
from grid.operators.openadr2b.messages import Distribution, kind_of, read_distribution
from grid.operators.openadr2b.reporting import ReportWanted, offers
from grid.operators.openadr2b.ven import REGISTER, REPORT, RegistrationLost, Ven
from grid.operators.openadr2b.wire import Exchange
from vehicles.flows import heartbeats

PROCESS = "openadr2b"

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
VISIT_SECONDS = 100.0  # below the lease, so that nobody else speaks meanwhile
FAREWELL_SECONDS = 10.0
MOST_MESSAGES = 20
MOST_REPORTS = 20
MOST_CHANGES = 200

P = ParamSpec("P")
T = TypeVar("T")


def in_database(flow: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Return the flow as a coroutine that runs in the thread of the database's connection."""
    return sync_to_async(flow, thread_sensitive=True)


async def visit(link: OperatorLink, *, now: datetime) -> bool:
    """Ask a server that was claimed whatever is due; say whether it answered well. Raises nothing but cancellation."""
    try:
        async with asyncio.timeout(VISIT_SECONDS):
            await _Visit(link, now).go()
    except TimeoutError:
        return await _fail(link, OperatorUnreachable("it stalls"))
    except OperatorError as error:
        return await _fail(link, error)
    except Exception as error:  # whatever one server does, the others are asked
        logger.exception("%s broke", link)
        await in_database(operators.record_failure)(link, error)
        return False
    await in_database(operators.record_success)(link, now)
    return True


async def _fail(link: OperatorLink, error: OperatorError) -> bool:
    logger.warning("%s: %s (%s)", link, error.code, error)
    await in_database(operators.record_failure)(link, error)
    return False


class _Visit:
    """One conversation with one server."""

    def __init__(self, link: OperatorLink, now: datetime) -> None:
        self.link = link
        self.now = now
        self.exchange = Exchange(address=link.api_base, credentials=openadr2b.credentials_of(link))
        self.ven = Ven(self.exchange, ven_name=link.ven_name, ven_id=link.ven_id, registration_id=link.registration_id)
        self.doubts: set[str] = set()

    async def go(self) -> None:
        """Be known there, hear what is new, look at the whole list where that is due, and tell what is owed."""
        try:
            if not self.ven.is_registered:
                await self._register()
            try:
                await self._talk()
            except RegistrationLost:
                await self._register()
                await self._talk()
        finally:
            await self.exchange.close()

    async def _register(self) -> None:
        await in_database(openadr2b.keep_registration)(self.link, await self.ven.register())
        programs = await in_database(openadr2b.resources_of)(self.link)
        wanted = await self.ven.offer_reports(offers(programs, at=self.now))
        await self._take_wanted(wanted, None)

    async def _talk(self) -> None:
        for _ in range(MOST_MESSAGES):
            message = await self.ven.poll()
            if message is None:
                break
            await self._hear(message)
        if self.doubts or openadr2b.is_sync_due(self.link, now=self.now):
            await self._sync()
        for row, answer in await in_database(opting.changed_answers)(self.link, now=self.now, limit=MOST_CHANGES):
            await self.ven.change_answer(answer, market_context=str(row.record["marketContext"]), at=self.now)
            await in_database(opting.keep_answers)([row], [answer])
        await self._report()

    async def _hear(self, message: etree._Element) -> None:
        kind = kind_of(message)
        if kind == "oadrDistributeEvent":
            self.doubts = await self._take(read_distribution(message))
        elif kind == "oadrCreateReport":
            await self._take_wanted(self.ven.wanted_in(message), message)
        elif kind == "oadrCancelReport":
            ids = [str(found.text) for found in message.findall("{*}reportRequestID")]
            await in_database(telemetry.cancel_wanted)(self.link, ids)
            await self.ven.reply(REPORT, "oadrCanceledReport", message, pending_reports=[])
        elif kind == "oadrRegisterReport":  # reports from server to us: we want none
            await self.ven.reply(REPORT, "oadrRegisteredReport", message, report_requests=[])
        elif kind == "oadrRequestReregistration":
            await self.ven.reply(REGISTER, "oadrResponse", message)
            raise RegistrationLost("it asks us to register again")
        elif kind == "oadrCancelPartyRegistration":
            await self.ven.reply(
                REGISTER, "oadrCanceledPartyRegistration", message, registration_id=self.link.registration_id
            )
            await in_database(openadr2b.forget_registration)(self.link)
            raise OperatorRefused("it ended our registration")
        else:
            logger.warning("%s sends %s, which is not for a VEN", self.link, kind[:60])

    async def _take(self, distribution: Distribution) -> set[str]:
        """Follow a list of events, answer it, and return which open events of ours it misses."""
        taken = await in_database(openadr2b.take_distribution)(self.link, distribution, now=self.now)
        await self.ven.answer(taken.answers, request_id=distribution.request_id)
        await in_database(opting.keep_answers)(taken.rows, taken.answers)
        return taken.missing

    async def _sync(self) -> None:
        """Read the complete list; what it misses is called off only where a second one misses it too."""
        missing = await self._missing()
        if missing:
            again = await self._missing()
            missing = None if again is None else missing & again
        if missing is not None:
            await in_database(openadr2b.finish_sync)(self.link, missing=missing, now=self.now)

    async def _missing(self) -> set[str] | None:
        distribution = await self.ven.all_events()
        return None if distribution is None else await self._take(distribution)

    async def _take_wanted(self, wanted: list[ReportWanted], message: etree._Element | None) -> None:
        met = await in_database(telemetry.keep_wanted)(self.link, wanted, now=self.now)
        if not wanted and message is None:
            return
        pending: list[dict[str, Any]] = [{"report_request_id": request_id} for request_id in met]
        to = message if message is not None else etree.Element("none")
        await self.ven.reply(REPORT, "oadrCreatedReport", to, code=200 if met else 461, pending_reports=pending)

    async def _report(self) -> None:
        """Tell what is owed; one report that fails stops no other, and no event."""
        for request in await in_database(telemetry.due_reports)(self.link, now=self.now, limit=MOST_REPORTS):
            report, told_until = await in_database(telemetry.make_report)(request, now=self.now)
            try:
                cancelled = await self.ven.tell(report) if report is not None else ""
            except OperatorError as error:
                logger.warning("%s does not take a report: %s (%s)", self.link, error.code, error)
                await in_database(telemetry.keep_failure)(request, error.code, now=self.now)
                continue
            await in_database(telemetry.keep_told)(request, told_until, was_sent=report is not None, now=self.now)
            if cancelled:
                await in_database(telemetry.cancel_wanted)(self.link, [cancelled])


async def serve(
    *, stopped: asyncio.Event, most: int, read_now: Callable[[], datetime], freshen: Callable[[], None]
) -> None:
    """Visit the servers that are due until told to stop: `most` at once, each at its own pace.

    `freshen` is called in the database's thread before each round: it drops a connection that broke.
    """
    under_way: dict[int, asyncio.Task[bool]] = {}
    started_at = clock.wall()
    while not stopped.is_set():
        under_way = {pk: task for pk, task in under_way.items() if not task.done()}
        await in_database(freshen)()
        for link in await in_database(_claim)(read_now(), most - len(under_way), list(under_way), started_at):
            under_way[link.pk] = asyncio.create_task(visit(link, now=read_now()))
        try:
            await asyncio.wait_for(stopped.wait(), TICK_SECONDS)
        except TimeoutError:
            continue
    await _part(under_way)


def _claim(now: datetime, limit: int, busy: list[int], started_at: datetime) -> list[OperatorLink]:
    try:
        heartbeats.beat(kind=PROCESS, started_at=started_at)
        return openadr2b.claim_due(now=now, limit=limit, busy=busy) if limit > 0 else []
    except DatabaseError:
        logger.exception("database trouble, trying again")
        return []


async def _part(under_way: dict[int, asyncio.Task[bool]]) -> None:
    """Let visits under way end; those that take too long are cut off, and their links are free for others at once."""
    if under_way:
        await asyncio.wait(under_way.values(), timeout=FAREWELL_SECONDS)
    late = [pk for pk, task in under_way.items() if not task.done()]
    for pk in late:
        under_way[pk].cancel()
    await asyncio.gather(*under_way.values(), return_exceptions=True)
    await in_database(OperatorLink.objects.filter(pk__in=late).update)(lease_until=None)
