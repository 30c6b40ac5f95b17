"""Listening to makers that stream: one MQTT connection an account, opened anew before its password ends.

Silence is normal: a parked car says nothing. Readings that never come are asked for by the usual sweep.
"""

import logging
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import close_old_connections
from django.db.models import Exists, OuterRef

from accounts.models import Consent
from foundation import clock
from foundation.rounds import work_through
from vehicles import gateway
from vehicles.automakers.errors import AutomakerError, NotSupported, ScopeMissing, TokenRejected
from vehicles.automakers.push import StreamPlan
from vehicles.channel import Channel
from vehicles.flows.pushes import apply_pushes
from vehicles.models import MakerSwitch, Vehicle, VehicleLink

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 500
MOST_WAITING = 10_000
MOST_LEEWAY = timedelta(minutes=15)
LOOK_SECONDS = 30  # how soon a new link is listened to, and a dead one no longer
FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS = 5, 1800
NOT_OFFERED = timedelta(days=1)
OPENERS = 8


@dataclass
class Line:
    """One account of one maker, and how its connection fares. Times are wall time."""

    maker: str
    links: list[int]  # every owner's link to this account: it may be connected once only
    channel: Channel | None = None
    renew_at: datetime | None = None
    retry_at: datetime | None = None
    failures: int = 0
    needs_new_token: bool = False

    @property
    def is_up(self) -> bool:
        """Whether the broker has taken the connection."""
        return self.channel is not None and self.channel.is_up


@dataclass
class Listener:
    """Keeps the connections of one process; `shard` of `shards` says which accounts are its own."""

    shard: int = 0
    shards: int = 1
    most_connections: int = MOST_CONNECTIONS
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    looked_at: datetime | None = None
    inbox: "queue.Queue[tuple[tuple[str, str], str, bytes]]" = field(
        default_factory=lambda: queue.Queue(MOST_WAITING), repr=False
    )

    def tick(self) -> int:
        """Make one round: find the accounts, open and renew what is due, and return how many connections are up."""
        wall = clock.wall()
        if self.looked_at is None or wall >= self.looked_at + timedelta(seconds=LOOK_SECONDS):
            self._look(wall)
        due = [key for key, line in self.lines.items() if self._is_due(line, wall)]
        work_through(due, self._open, workers=OPENERS)
        return sum(line.is_up for line in self.lines.values())

    def _look(self, wall: datetime) -> None:
        wanted = self._find_accounts()
        for key in [key for key in self.lines if key not in wanted]:
            self._hang_up(self.lines.pop(key))
        for key, links in wanted.items():
            line = self.lines.setdefault(key, Line(key[0], links))
            line.links = links
        self.looked_at = wall

    def _find_accounts(self) -> dict[tuple[str, str], list[int]]:
        consents = Consent.objects.filter(
            user=OuterRef("owner"), purpose=Consent.Purpose.DATA_USE, revoked_at__isnull=True
        )
        streaming = Vehicle.objects.filter(
            link=OuterRef("pk"), state=Vehicle.State.ACTIVE, capabilities__pushes__icontains="stream"
        )
        off = MakerSwitch.objects.filter(is_on=False).values("maker")
        rows = VehicleLink.objects.filter(Exists(consents), Exists(streaming), state=VehicleLink.State.ACTIVE)
        accounts: dict[tuple[str, str], list[int]] = {}
        for pk, maker, subject in rows.exclude(maker__in=off).order_by("pk").values_list("pk", "maker", "subject_hash"):
            if int(subject[:8] or "0", 16) % self.shards == self.shard:
                accounts.setdefault((maker, subject), []).append(pk)
        if len(accounts) > self.most_connections:
            logger.error("%d accounts stream, %d are listened to: add shards", len(accounts), self.most_connections)
            accounts = dict(list(accounts.items())[: self.most_connections])
        return accounts

    def _is_due(self, line: Line, wall: datetime) -> bool:
        if line.channel is not None and line.channel.is_lost:
            self._note_lost(line, wall)
        if line.channel is not None:
            if line.is_up:
                line.failures, line.needs_new_token = 0, False
            return line.renew_at is not None and line.renew_at <= wall
        return line.retry_at is None or line.retry_at <= wall

    def _note_lost(self, line: Line, wall: datetime) -> None:
        """Plan the next try: at once with a new token where this one was refused for the first time, else later."""
        assert line.channel is not None
        was_refused = line.channel.is_refused
        logger.info("%s stream lost: %s", line.maker, line.channel.trouble or "closed")
        self._hang_up(line)
        line.failures += 1
        is_first_refusal = was_refused and not line.needs_new_token
        line.needs_new_token = line.needs_new_token or was_refused
        line.retry_at = wall if is_first_refusal else wall + _pause(line.failures)

    def _open(self, key: tuple[str, str]) -> int:
        line, wall = self.lines[key], clock.wall()
        link = VehicleLink.objects.get(pk=line.links[0])
        try:
            if line.needs_new_token or line.channel is not None:
                gateway.refresh_grant(link)
            plan = _plan(link)
        except (NotSupported, ScopeMissing):
            self._hang_up(line)
            line.retry_at = wall + NOT_OFFERED
            return 0
        except AutomakerError as error:
            logger.info("%s stream not opened: %s", line.maker, error)
            if line.channel is None or not line.is_up:
                self._hang_up(line)
            line.failures += 1
            line.retry_at = line.renew_at = wall + _pause(line.failures)
            return 0
        self._hang_up(line)  # an account may be connected once only
        line.renew_at = plan.expires_at - min(MOST_LEEWAY, (plan.expires_at - wall) / 4)
        line.channel = Channel(plan, self._receiver(key))
        line.channel.open()
        return 1

    def _receiver(self, key: tuple[str, str]) -> Callable[[str, bytes], None]:
        def receive(topic: str, payload: bytes) -> None:
            try:
                self.inbox.put((key, topic, payload), timeout=5)
            except queue.Full:
                logger.exception("a %s message was dropped: readings cannot keep up", key[0])

        return receive

    def _hang_up(self, line: Line) -> None:
        if line.channel is not None:
            line.channel.close()
        line.channel = None

    def take_messages(self, *, seconds: float = 0.5) -> int:
        """Apply the messages that wait, and return how many pushes changed anything; waits `seconds` for the first."""
        applied, wait = 0, seconds
        while True:
            try:
                key, topic, payload = self.inbox.get(timeout=wait) if wait else self.inbox.get_nowait()
            except queue.Empty:
                return applied
            wait = 0
            try:
                applied += self._apply(key, topic, payload)
            except Exception:  # whatever one message holds, the next one must be read
                logger.exception("a %s message could not be applied", key[0])

    def _apply(self, key: tuple[str, str], topic: str, payload: bytes) -> int:
        line = self.lines.get(key)
        if line is None:
            return 0
        pushes = gateway.adapter(line.maker).read_message(topic, payload)
        links = VehicleLink.objects.filter(pk__in=line.links, state=VehicleLink.State.ACTIVE)
        return sum(
            apply_pushes(maker=line.maker, pushes=pushes, source="stream", now=clock.now(), link=link) for link in links
        )

    def work(self, stopped: threading.Event) -> None:
        """Apply messages until stopped; for a thread of its own."""
        while not stopped.is_set():
            close_old_connections()
            self.take_messages()

    def close(self) -> None:
        """Hang up everywhere."""
        for line in self.lines.values():
            self._hang_up(line)


def _plan(link: VehicleLink) -> StreamPlan:
    """Return where to listen, with a password that works; the maker is asked nothing, so no budget pays for it."""
    gateway.access_token(link)
    maker = gateway.adapter(link.maker)
    try:
        return maker.open_stream(link.account)
    except TokenRejected:
        gateway.refresh_grant(link)
        return maker.open_stream(link.account)


def _pause(failures: int) -> timedelta:
    seconds = min(MOST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(max(0, failures - 1), 10))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the crowd, protects nothing
