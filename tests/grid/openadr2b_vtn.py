"""A utility's OpenADR 2.0b server for tests: openleadr's own VTN on loopback, in a thread, with faults on demand."""

import asyncio
import threading
import warnings
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from openleadr import OpenADRServer, objects
from openleadr.messaging import create_message
from openleadr.service import handler
from openleadr.service.opt_service import OptService

from journey.stack import free_port

PREFIX = "/OpenADR2/Simple/2.0b"
CONTEXT = "http://utility.test/summer"
VEN_ID = "ven-1"


class _Opting(OptService):  # type: ignore[misc]  # openleadr ships no types
    """The opt service, whose answer openleadr leaves to be written."""

    heard: list[dict[str, Any]]

    @handler("oadrCreateOpt")
    async def create_opt(self, payload: dict[str, Any]) -> Any:
        """Note a change of mind and thank for it."""
        self.heard.append(payload)
        return "oadrCreatedOpt", {"opt_id": payload["opt_id"]}


class Vtn:
    """The server and what it heard. `fault` is answered in place of anything else; `asked` counts by service."""

    def __init__(self, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.port = free_port()
        self.url = f"{'https' if options.get('http_cert') else 'http'}://localhost:{self.port}{PREFIX}"
        self.fault: str | int | bytes = ""
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.answers: list[bytes] = []
        self.lookups: list[None] = []  # how often it does not know us
        self.opts: list[tuple[str, str]] = []
        self.changes: list[dict[str, Any]] = []
        self.values: dict[str, dict[datetime, float]] = {}
        self.report_every: timedelta | None = None
        self.has_opt_service = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", web.NotAppKeyWarning)  # openleadr keeps itself in the app by a plain name
            self.server = OpenADRServer(
                "utility", http_port=self.port, http_host="localhost", show_fingerprint=False, **options
            )
        self._wire()
        threading.Thread(target=self.loop.run_forever, name="vtn", daemon=True).start()
        self.run(self.server.run())

    def _wire(self) -> None:
        server, opting = self.server, _Opting("utility")
        server.add_handler("on_create_party_registration", self._register)
        server.add_handler("on_register_report", self._want)
        opting.heard = self.changes
        server.app.router.add_post(f"{PREFIX}/EiOpt", opting.handler)
        server.app.middlewares.append(self._stand_in)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the server's own thread, and return what came of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def stop(self) -> None:
        """Close everything."""
        self.run(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        while self.loop.is_running():
            threading.Event().wait(0.01)
        self.loop.close()

    def reset(self) -> None:
        """Forget everything, as a server that was set up anew."""
        for store in (self.server.events, self.server.events_updated, self.server.event_callbacks, self.values):
            store.clear()
        reports = self.server.services["report_service"]
        for store in (reports.report_callbacks, reports.registered_reports, reports.requested_reports):
            store.clear()
        reports.created_reports.clear()
        for heard in (self.asked, self.bodies, self.answers, self.lookups, self.opts, self.changes):
            heard.clear()
        self.fault, self.report_every, self.has_opt_service = "", None, True

    @web.middleware
    async def _stand_in(self, request: web.Request, handler: Any) -> Any:
        service = request.path.rpartition("/")[2]
        self.asked.append(service)
        self.bodies.append(await request.read())
        if service == "EiOpt" and not self.has_opt_service:
            return web.Response(status=404)
        if self.fault == "stall":
            await asyncio.sleep(1)
        if isinstance(self.fault, int):
            return web.Response(status=self.fault)
        if isinstance(self.fault, bytes):
            return web.Response(body=self.fault, content_type="application/xml")
        if service != "EiRegisterParty" and self.lookups:
            self.lookups.pop()
            message = create_message("oadrRequestReregistration", ven_id=VEN_ID)
            return web.Response(text=message, content_type="application/xml")
        reply = await handler(request)
        self.answers.append(reply.body)
        return reply

    async def _register(self, _registration: Any) -> tuple[str, str]:
        return VEN_ID, "registration-1"

    async def _want(self, report: dict[str, Any]) -> Any:
        """Want each value of a report every so often, where the utility wants any."""
        if self.report_every is None:
            return None
        step = timedelta(minutes=15)
        names = [description["r_id"] for description in report["report_descriptions"]]
        return [(name, self._hear(name), step, self.report_every) for name in names]

    def _hear(self, name: str) -> Any:
        async def hear(values: list[tuple[datetime, float]]) -> None:
            self.values.setdefault(name, {}).update(values)

        return hear

    # What the utility does.

    def ask(self, event: objects.Event, *, number: int | None = None) -> None:
        """Have an event distributed; a known id is changed and counted one on, unless a number is given."""
        self.run(self._ask(event, number))

    async def _ask(self, event: Any, number: int | None) -> None:
        identity = event.event_descriptor.event_id
        known = self.find(identity)
        if known is not None:
            event.event_descriptor.modification_number = known.event_descriptor.modification_number + 1
            self.events.remove(known)
        if number is not None:
            event.event_descriptor.modification_number = number

        def hear(ven_id: str, event_id: str, opt_type: str) -> None:
            self.opts.append((event_id, opt_type))

        period = event.active_period
        self.server.add_raw_event(VEN_ID, event, callback=hear)
        event.active_period = period  # openleadr works out one of its own, without tolerance

    @property
    def events(self) -> list[Any]:
        """What it lists for us."""
        found: list[Any] = self.server.events.setdefault(VEN_ID, [])
        return found

    def find(self, identity: str) -> Any:
        """Return one of its events, or None."""
        return next((event for event in self.events if event.event_descriptor.event_id == identity), None)

    def cancel(self, identity: str) -> None:
        """Cancel an event by its status."""

        async def work() -> None:
            self.server.cancel_event(VEN_ID, identity)

        self.run(work())

    def forget(self, identity: str, *, tell: bool = True) -> None:
        """Drop an event from the list without a word, and have the list sent or not."""

        async def work() -> None:
            self.events.remove(self.find(identity))
            self.server.events_updated[VEN_ID] = tell

        self.run(work())


def word_event(
    identity: str,
    *,
    starts_at: datetime,
    length: timedelta = timedelta(hours=1),
    name: str = "LOAD_DISPATCH",
    kind: str = "delta",
    values: tuple[float, ...] = (-20.0,),
    scale: str | None = "k",
    startafter: timedelta | None = None,
    more: tuple[objects.EventSignal, ...] = (),
    context: str = CONTEXT,
    targets: Any = None,
    response_required: str = "always",
    **descriptor: Any,
) -> objects.Event:
    """Return an event as openleadr words it: by default less by 20 kW for an hour; the values share its length."""
    return objects.Event(
        event_descriptor=objects.EventDescriptor(
            event_id=identity,
            modification_number=0,
            market_context=context,
            event_status="far",
            **descriptor,
        ),
        active_period=objects.ActivePeriod(
            dtstart=starts_at, duration=length, tolerance={"startafter": startafter} if startafter else None
        ),
        event_signals=[signal(starts_at, length, name=name, kind=kind, values=values, scale=scale), *more],
        targets=targets or [objects.Target(ven_id=VEN_ID)],
        response_required=response_required,
    )


def signal(
    starts_at: datetime,
    length: timedelta,
    *,
    name: str,
    kind: str,
    values: tuple[float, ...],
    scale: str | None = None,
) -> objects.EventSignal:
    """Return a signal of equal intervals; a scale makes it one of power."""
    step = length / len(values)
    power = objects.Measurement(
        name="powerReal",
        description="RealPower",
        unit="W",
        scale=scale,
        power_attributes=objects.PowerAttributes(hertz=60, voltage=240, ac=True),
    )
    return objects.EventSignal(
        intervals=[
            objects.Interval(dtstart=starts_at + place * step, duration=step, signal_payload=value)
            for place, value in enumerate(values)
        ],
        signal_name=name,
        signal_type=kind,
        signal_id=f"signal-{name}",
        measurement=power if scale else None,
    )
