"""Every fault of the sandbox at every maker, played through the flows: what the owner sees, and what the car does."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction

from accounts.models import Notice, User
from foundation import clock
from tests.factories import vehicles as make
from tests.sandbox_owner import OwnerBrowser
from tests.vehicles.makers.conftest import MINUTE, World
from vehicles import gateway
from vehicles.automakers.errors import AutomakerError
from vehicles.flows.allowing import UnableToCommand
from vehicles.flows.chargers import assign_charger
from vehicles.flows.commands import confirm_commands, release_expired_holds, send_due_commands
from vehicles.flows.device_codes import begin_device_link, poll_attempt
from vehicles.flows.health import link_health
from vehicles.flows.links import choose_vehicles
from vehicles.flows.places import set_home_from_vehicle
from vehicles.flows.preferences import charge_now
from vehicles.flows.telemetry import latest_reading, read_due_vehicles, read_vehicle
from vehicles.models import Command, HomeCharger, LinkAttempt, MakerSwitch, Vehicle, VehicleLink

IONIQ = "5ca1ab1e0001400080000000000000a1"


@dataclass(frozen=True)
class Column:
    """One maker, or one class of car at it: the account, and the car whose truth the sandbox tells."""

    title: str
    maker: str
    account: str
    car_id: str


COLUMNS = (
    Column("Ford, timed", "ford", "alice", "918ed353ee060391de06cbdaccdafe5a"),
    Column("Ford, start/stop", "ford", "alice", "dfdd5800544ca750061800f671470817"),
    Column("Honda", "honda", "alice", "hnd-8e71d3a04c6b4a2f9b5de0f1c3"),
    Column("Tesla", "tesla", "alice", "1492931520111004"),
    Column("GM", "gm", "gus", "7d1f0c5ae2b94c0f8a51e6d3b0974a21"),
    Column("Smartcar", "smartcar", "alice", IONIQ),
    Column("BMW", "bmw", "frank", "WBA73AW02RFP00001"),
    Column("Wall box", "homebox", "alice", IONIQ),
)


@dataclass(frozen=True)
class Fault:
    """A trouble of the sandbox: of the car, or of its maker's cloud."""

    title: str
    car: dict[str, Any] | None = None
    action: str = ""
    maker: dict[str, Any] | None = None
    is_expired: bool = False  # our access token is old, so it must be renewed under the fault


FAULTS = (
    Fault("none"),
    Fault("car asleep", car={"asleep": True}),
    Fault("values do not change any more", car={"stale": True}),
    Fault("commands arrive 20 minutes late", car={"commandDelaySeconds": 1200}),
    Fault("commands get lost", car={"commandsLost": True}),
    Fault("the car refuses commands", car={"commandsRefused": True}),
    Fault("answers to commands get lost", car={"answersLost": True}),
    Fault("the car keeps a schedule of its own", car={"foreignSchedule": True}),
    Fault("cable pulled", action="unplug"),
    Fault("car sold", car={"sold": True}),
    Fault("cloud down (503)", maker={"apiDown": True}),
    Fault("too many requests (429)", maker={"rateLimited": True}),
    Fault("a page instead of JSON", maker={"garbled": True}),
    Fault("token endpoint down", maker={"tokenDown": True}, is_expired=True),
    Fault("access token expired", maker={"expireAccessTokens": True}),
    Fault("consent withdrawn at the maker", maker={}),
)
WITHDRAWN = FAULTS[-1]


@dataclass(frozen=True)
class Outcome:
    """What a fault came to; each word is a key of the legend."""

    reading: str
    hold: str
    release: str
    link: str

    def as_row(self) -> tuple[str, str, str, str]:
        """Return the words in the order of the tables."""
        return (self.reading, self.hold, self.release, self.link)


class Stage:
    """One column's linked car, played with again and again."""

    def __init__(self, column: Column, owner: User, world: World) -> None:
        self.column, self.owner, self.world = column, owner, world
        world.park(soc_percent=60)
        self.car, self.box = self._link()
        self.link = self.car.link if self.box is None else self.box.link
        read_vehicle(vehicle=self.car, now=world.now)

    def _link(self) -> tuple[Vehicle, HomeCharger | None]:
        column, world = self.column, self.world
        if column.maker == "bmw":
            link = self._pair()
        elif column.maker == "homebox":
            link = world.link(self.owner, "smartcar", vehicle_ids=[column.car_id])
        else:
            link = world.link(self.owner, column.maker, account=column.account, vehicle_ids=[column.car_id])
        wanted = [row.public_id for row in link.vehicles.all()][:1]
        (car,) = choose_vehicles(link=link, vehicle_ids=wanted, now=world.now)
        set_home_from_vehicle(vehicle=car, now=world.now)
        box = None
        if column.maker == "homebox":
            box = assign_charger(charger=world.link(self.owner, "homebox").chargers.get(), vehicle=car, now=world.now)
        return Vehicle.objects.get(pk=car.pk), box

    def _pair(self) -> VehicleLink:
        make.consents(self.owner, now=self.world.now)
        attempt = begin_device_link(owner=self.owner, maker="bmw", session_key="session", now=self.world.now)
        browser = OwnerBrowser(f"{self.column.account}@bmw.sandbox")
        browser.pair(attempt.verification_url, attempt.user_code, vehicle_ids=[self.column.car_id])
        LinkAttempt.objects.filter(pk=attempt.pk).update(poll_at=clock.wall())
        link = poll_attempt(attempt=LinkAttempt.objects.get(pk=attempt.pk), now=self.world.now).link
        assert link is not None
        return link

    def play(self, fault: Fault, *, steers: bool) -> Outcome:
        """Play one fault to its end and leave everything as it was; without `steers` nothing is held."""
        steers = steers and self.car.can.can_hold
        hold = release = ""
        with self._unchanged(fault):
            self._begin(fault)
            self.world.step(5 * MINUTE)
            reading = self._read()
            if steers:
                hold = self._hold()
            link = self._link_word()
        if steers:
            with self._unchanged(fault):
                release = self._release(fault)
        return Outcome(reading, hold, release, link)

    @contextmanager
    def _unchanged(self, fault: Fault) -> Iterator[None]:
        """Roll our rows back afterwards, but keep the tokens: the maker has rotated them meanwhile."""
        mark = transaction.savepoint()
        self.world.park(soc_percent=60)
        self.world.step(MINUTE)
        yield
        fresh = list(VehicleLink.objects.all())
        transaction.savepoint_rollback(mark)
        for row in fresh:
            row.save(update_fields=["access_token", "refresh_token", "secrets", "access_expires_at"])
        if fault is WITHDRAWN:
            self._grant_again()

    def _begin(self, fault: Fault) -> None:
        if fault.car:
            self.world.break_car(self.column.car_id, **fault.car)
        if fault.action:
            self.world.sandbox.control("PATCH", f"cars/{self.column.car_id}", action=fault.action)
        if fault.maker:
            self.world.break_maker(self.column.maker, **fault.maker)
        if fault is WITHDRAWN:
            account = f"{self.column.account}@{self.column.maker}.sandbox"
            self.world.break_maker(self.column.maker, revokeGrantsOf=account)
            self._expire()
        if fault.is_expired:
            self._expire()

    def _expire(self) -> None:
        VehicleLink.objects.filter(pk=self.link.pk).update(access_expires_at=clock.wall() - timedelta(seconds=1))

    def _mend(self, fault: Fault) -> None:
        if fault.car:
            self.world.break_car(self.column.car_id, **{name: type(value)() for name, value in fault.car.items()})
        if fault.maker:
            once = {"expireAccessTokens"}
            self.world.break_maker(self.column.maker, **dict.fromkeys(fault.maker.keys() - once, False))

    def _pass(self, *spans: int) -> None:
        """Let these minutes pass, with the sweeps at work after each; quiet times are waited out."""
        for minutes in spans:
            now = self.world.step(minutes * MINUTE)
            self._wait_out()
            release_expired_holds(now=now)
            send_due_commands(now=now, limit=5)
            confirm_commands(now=now, limit=5)
            read_due_vehicles(now=now, limit=5)

    def _wait_out(self) -> None:
        """Let real time pass as far as the platform is concerned: pauses, second looks, retries."""
        long_ago = clock.wall() - timedelta(seconds=25)
        VehicleLink.objects.update(quiet_until=None)
        VehicleLink.objects.filter(auth_failed_at__isnull=False).update(auth_failed_at=long_ago)
        MakerSwitch.objects.update(quiet_until=None)
        Command.objects.update(retry_at=None)

    def _car(self) -> Vehicle:
        return Vehicle.objects.get(pk=self.car.pk)

    def _read(self) -> str:
        for _ in range(2):
            read_vehicle(vehicle=self._car(), now=self.world.now)
            self._wait_out()
        car = self._car()
        if car.state != Vehicle.State.ACTIVE:
            return "car_gone"
        reading = latest_reading(car)
        assert reading is not None
        is_fresh = reading.observed_at >= self.world.now - MINUTE / 2
        failure = car.read_failure or (
            HomeCharger.objects.filter(serves=car).exclude(failure="").values_list("failure", flat=True).first() or ""
        )
        return "fresh" if is_fresh and not failure else failure or "older_value"

    def _hold(self) -> str:
        try:
            hold = self.world.ask(self._car(), "hold-under-fault")
        except UnableToCommand as refusal:
            return f"refused: {refusal.reason_code}"
        self._pass(1, 1, 2, 4, 5)
        hold.refresh_from_db()
        truth = "held" if self._is_held() else "not held"
        if hold.state == Command.State.CONFIRMED:
            return "held" if truth == "held" else "wrongly confirmed"
        return f"{hold.state}, {truth}" if not hold.failure else f"{hold.failure}, {truth}"

    def _is_held(self) -> bool:
        truth = self.world.truth(self.column.car_id)
        return bool(truth["stopped"] or truth["setpoint"])

    def _release(self, fault: Fault) -> str:
        """Hold the car, let the fault begin, press "charge now", and wait; then mend the fault and wait again."""
        self.world.ask(self._car(), "hold-before-fault")
        self._pass(1, 1)
        assert self._is_held(), self.column.title
        self._begin(fault)
        charge_now(vehicle=self._car(), now=self.world.now)
        self._pass(1, 1, 2)
        if not self._is_held():
            return "at once"
        self._pass(4, 6, 8)
        if not self._is_held():
            return "within 25 minutes"
        self._mend(fault)
        self._pass(1, 15, 15)
        if not self._is_held():
            return "once it is over"
        return "given up, owner told" if Notice.objects.filter(kind="release_failing").exists() else "never"

    def _link_word(self) -> str:
        with suppress(AutomakerError):
            gateway.refresh_grant(VehicleLink.objects.get(pk=self.link.pk))
        health = link_health(VehicleLink.objects.get(pk=self.link.pk))
        return health.next_step

    def _grant_again(self) -> None:
        """Have the owner allow it again, as the relink that the page asks for would."""
        column, world = self.column, self.world
        world.park(soc_percent=60)
        if column.maker == "bmw":
            self._pair()
            return
        world.link(self.owner, column.maker, account=column.account, vehicle_ids=None if self.box else [column.car_id])


def play_column(column: Column, owner: User, world: World, *, steers: bool) -> dict[str, Outcome]:
    """Return the outcomes of one column by fault."""
    stage = Stage(column, owner, world)
    return {fault.title: stage.play(fault, steers=steers) for fault in FAULTS}
