"""The unattended walk: Erin links two cars, they help in an event that a utility asks for, and Erin is paid."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from journey import eyes, recompute
from journey.admin import ADMINS, Admin
from journey.app import AppOwner
from journey.owner import PASSWORD, Home, Owner
from journey.stack import Stack
from journey.world import World

TEXAS = ZoneInfo("America/Chicago")
EVENT_LOCAL = (time_of_day(18, 30), time_of_day(19, 30))
START_LOCAL = time_of_day(17, 50)
NOTHING_BEFORE = timedelta(minutes=20)  # some cars begin up to ten minutes early
NOTHING_AFTER = timedelta(minutes=28)  # half an hour after its end the event is settled
SWEEP_SECONDS = 1.0
LEAST_WAIT_SECONDS = 120  # of real time: however fast the simulated one runs, the machine does not
TARGET_PERCENT = 85
WISHES = {
    "target_soc_percent": str(TARGET_PERCENT),
    "minimum_soc_percent": "20",
    "reserve_soc_percent": "30",
    "is_v2g_allowed": "on",
}
SESSION_COOKIE = "chargescape_session"
UTILITY, PROGRAM = "Lone Star Power", "Evening Relief"
METER_TOLERANCE = Fraction(2, 100)


class WalkFailed(AssertionError):
    """Something that should have happened did not; the message says what."""


@dataclass
class Walk:
    """One walk over a stack: keeps the timeline, waits for facts, compares cents."""

    stack: Stack
    say: Callable[[str], None] = print
    rate: float = 120.0  # simulated seconds per wall second, once time runs
    kill_midway: Callable[[Stack], None] | None = None
    with_app: bool = False
    owner: Owner = field(init=False)
    app: AppOwner = field(init=False)
    app_cars: list[str] = field(default_factory=list)
    admin: Admin = field(init=False)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(self.stack.sandbox_url)
        home = Home("2600 Oak Springs Dr, Austin", "78702", "America/Chicago", "market", "11.5", "9.6")
        self.owner = Owner(
            self.stack.web_url, self.world, "erin@example.com", "Erin Park", "US", home, "erin@ford.sandbox"
        )
        away = Home("900 Bagby St, Houston", "77002", "America/Chicago", "market", "11.5", "9.6")
        self.app = AppOwner(self.stack.web_url, self.world, "dana@example.com", "Dana Reyes", away, "bob@ford.sandbox")
        self.admin = Admin(self.stack.web_url, ADMINS[0][0])

    def mark(self, word: str, text: str) -> None:
        """Print one line of the timeline, in the owner's local time."""
        local = self.stack.simulated_now().astimezone(TEXAS)
        self.say(f"{local:%a %H:%M}  {word:<10} {text}")

    def prepare(self) -> None:
        """Start the processes that serve, with time standing still on a weekday evening, the cars at home."""
        stack = self.stack
        admins = [f"--admin={email}={name}" for email, name in ADMINS]
        stack.manage("prepare", *admins, ADMIN_PASSWORD=PASSWORD)
        stack.manage("warm_planner")  # a fresh clone compiles for half a minute, which is no part of the night
        stack.start("broker", "sandbox", "web")
        self.day = next_weekday(datetime.now(TEXAS).date())
        stack.set_clock(self.local(START_LOCAL), 0.0)

    def local(self, at: time_of_day, *, days: int = 0) -> datetime:
        """Return a local time of the walk's day as UTC."""
        return datetime.combine(self.day + timedelta(days=days), at, TEXAS).astimezone(UTC)

    def move_in(self) -> None:
        """Sign up, agree, describe home, link and enroll the cars, set up payouts; then the utility asks for help."""
        owner = self.owner
        owner.sign_up()
        owner.introduce_yourself()
        owner.agree()
        owner.describe_home()
        owner.link_cars()
        self.mark("linked", f"{len(owner.car_ids())} cars at Ford, by OAuth")
        owner.say_home_is_here()
        for car in owner.car_ids():
            owner.set_wishes(
                car, target_soc_percent="85", minimum_soc_percent="20", reserve_soc_percent="30", is_v2g_allowed="on"
            )
            owner.enroll(car)
        owner.set_up_payouts()
        if self.with_app:
            self.app_cars = self.app.move_in()
            self.mark("app", f"{len(self.app_cars)} cars of another owner, by an app alone: token, ticket, wishes")
        self.admin.sign_in()
        starts_at, ends_at = (self.local(at) for at in EVENT_LOCAL)
        self.admin.link_server(
            utility=UTILITY,
            program=PROGRAM,
            url=self.stack.vtn_url,
            secret=self.stack.secrets["vtn"],
            program_id=self.world.utility_program(),
        )
        minutes = round((ends_at - starts_at).total_seconds() / 60)
        self.world.utility_asks(kind="discharge", starts_at=starts_at, minutes=minutes, target_kw=40)
        self.mark(
            "asked", f"the utility asked by OpenADR for help from {EVENT_LOCAL[0]:%H:%M} to {EVENT_LOCAL[1]:%H:%M}"
        )

    def api(self, path: str) -> list[dict[str, Any]]:
        """Return the results of one API list, as the signed-in owner."""
        body = self.owner.browser.get_json(f"{self.stack.web_url}/api/v1/{path}")
        results: list[dict[str, Any]] = body["results"] if isinstance(body, dict) else body
        return results

    def wait_for(self, what: str, found: Callable[[], Any], *, minutes: float) -> Any:
        """Wait until `found` returns something true, at most so many simulated minutes, but two real ones at least."""
        deadline = time.monotonic() + max(minutes * 60 / self.rate, LEAST_WAIT_SECONDS)
        while True:
            self.stack.restart_dead()
            try:
                if result := found():
                    return result
            except OSError as error:  # the web process may be the one that was killed
                result = error
            if time.monotonic() > deadline:
                raise WalkFailed(f"{what}: not within {minutes:.0f} simulated minutes")
            time.sleep(0.25)

    def hurry(self, until: datetime) -> None:
        """Let time in which nothing is measured pass in leaps, each followed by what the sweeps make of it."""
        for at in leaps(self.stack.simulated_now(), until, span=timedelta(minutes=10)):
            self.stack.set_clock(at, self.rate)
            time.sleep(1.5 * SWEEP_SECONDS)
            self.stack.restart_dead()

    def _heard_since(self, at: datetime) -> Callable[[], bool]:
        """Say whether each car was read later: what is asked while the clocks leap is served and may not be kept."""
        return lambda: all(
            datetime.fromisoformat(car["reading"]["observed_at"]) > at
            for car in self.api("vehicles/")
            if car["reading"]
        )

    def _ten_minutes_on(self) -> bool:
        self.hurry(self.stack.simulated_now() + timedelta(minutes=10))
        return False

    def live_through_the_event(self) -> list[dict[str, Any]]:
        """Let time run through plan, commands, measurement and settlement; return the settlements."""
        cars = len(self.owner.car_ids())
        self.stack.start("worker", "beat", "watchdog", *self.stack.listeners())
        plans = self.wait_for("a plan for each car", lambda: enough(self.api("plans/"), cars), minutes=120)
        self.mark("planned", plans[0]["sentence"])
        if self.with_app:
            self.wait_for("a plan for each car of the app", lambda: self.app.is_planned(self.app_cars), minutes=120)
        self.stack.set_clock(self.stack.simulated_now(), self.rate)
        self.wait_for("the event at each car", lambda: len(self.api("participations/")) >= cars, minutes=60)
        self.hurry(self.local(EVENT_LOCAL[0]) - NOTHING_BEFORE)
        self.wait_for("a reading of each car", self._heard_since(self.stack.simulated_now()), minutes=60)
        self.wait_for("a confirmed command of the event", self._confirmed_dispatches, minutes=90)
        self.mark("commanded", "the cars hold or discharge, seen in their readings")
        if self.kill_midway is not None:
            self.kill_midway(self.stack)
            self.mark("killed", "worker, beat, broker and web, by signal 9")
        ends_at = self.local(EVENT_LOCAL[1])
        self.wait_for("the event's end", lambda: self.stack.simulated_now() > ends_at, minutes=120)
        self.mark("measured", "the event is over, the cars are being read")
        self.wait_for("a reading of each car", self._heard_since(ends_at), minutes=60)
        self.hurry(ends_at + NOTHING_AFTER)
        settlements: list[dict[str, Any]] = self.wait_for(
            "a settlement for each car", lambda: enough(self.api("settlements/"), cars), minutes=180
        )
        earned = sum(item["amount_minor"] for item in settlements)
        self.mark("settled", f"{earned / 100:.2f} {settlements[0]['currency']} for {cars} cars")
        reports = self.wait_for("the result at the utility", self.world.utility_results, minutes=120)
        intervals = reports[0]["resources"][0]["intervals"]
        self.mark("reported", f"{len(intervals)} intervals of usage and baseline went back to the utility")
        return settlements

    def _confirmed_dispatches(self) -> list[dict[str, Any]]:
        carried = [one for one in self.api("dispatches/") if one["participation"] and one["command"]]
        return [one for one in carried if one["command"]["state"] == "confirmed"]

    def look_around(self) -> None:
        """Open the owner's pages in a browser, where there is one."""
        if not eyes.can_look():
            self.mark("unseen", "no browser here: the pages were walked over HTTP alone")
            return
        cookies = self.owner.browser.session.cookies
        complaints = eyes.look(
            self.stack.web_url,
            session=str(cookies.get(SESSION_COOKIE)),
            cookie=SESSION_COOKIE,
            paths=["/tonight/", "/cars/", "/events/", "/earnings/", "/payouts/"],
            pictures=self.stack.folder / "pictures",
        )
        if complaints:
            raise WalkFailed("in the browser: " + "; ".join(complaints))
        self.mark("seen", "five pages in a browser, phone and desktop, without a complaint")

    def get_paid(self, expected_minor: int) -> None:
        """Ask for the payout and wait until the bank has it, exactly once."""
        self.wait_for("the balance", lambda: self._available() == expected_minor, minutes=180)
        self.owner.ask_for_payout()
        self.wait_for("the bank", lambda: self.world.bank() or self._ten_minutes_on(), minutes=300)
        time.sleep(3)  # a second payment would come now
        arrivals = self.world.bank()
        paid = [item["amount"] for item in arrivals]
        if paid != [expected_minor]:
            raise WalkFailed(f"the bank received {paid} cents, {expected_minor} were earned")
        self.mark("paid", f"{paid[0] / 100:.2f} {arrivals[0]['currency'].upper()} arrived at the bank")

    def get_paid_by_app(self) -> None:
        """Let the other owner's app ask twice for one payout, and see that the bank has it once."""
        if not self.with_app:
            return
        owed = self.wait_for("the app's settlements", lambda: self.app.earned(self.app_cars), minutes=120)
        before = {item["payout"] for item in self.world.bank()}
        self.app.ask_for_payout()
        self.wait_for(
            "the app owner's bank",
            lambda: len(self.world.bank()) > len(before) or self._ten_minutes_on(),
            minutes=300,
        )
        time.sleep(3)  # a second payment would come now
        paid = [item["amount"] for item in self.world.bank() if item["payout"] not in before]
        if paid != [owed]:
            raise WalkFailed(f"the app's owner was paid {paid} cents, {owed} were earned")
        self.mark("paid", f"{owed / 100:.2f} to the app's owner, asked for twice")

    def _available(self) -> int:
        return sum(item["available_minor"] for item in self.api("balances/"))

    def check_cents(self, settlements: list[dict[str, Any]]) -> int:
        """Compute every settlement again from what the cars served; return the sum in cents."""
        total = 0
        for item in settlements:
            detail = self.owner.browser.get_json(f"{self.stack.web_url}/api/v1/settlements/{item['id']}/")
            car, rule = self._car_of(detail["vehicle"]), recompute.rule_of(detail["evidence"])
            records = self.world.served(car["vehicleId"])
            readings = [recompute.served(record) for record in records]
            cents = self._share(detail, readings, rule) if detail["group"] else recompute.cents(readings, rule)
            if cents != detail["amount_minor"]:
                raise WalkFailed(f"{car['modelName']}: {detail['amount_minor']} cents settled, {cents} computed again")
            self._check_meter(car, records, rule)
            total += cents
            self.mark("checked", f"{car['modelName']}: {cents} cents, from {len(records)} served readings")
        return total

    def _share(self, detail: dict[str, Any], readings: list[recompute.Served], rule: recompute.Rule) -> int:
        """Compute a car's share of its group again; the other cars are known by their numbers, from the proof."""
        proof = self.owner.browser.get_json(f"{self.stack.web_url}/api/v1/proof/")
        told = next(one for one in proof["groups"] if one["id"] == detail["group"]["id"])["evidence"]["members"]
        sign, own = -1 if rule.kind == "absorb" else 1, int(detail["share"]["member"])
        columns = zip(told["roles"], told["weights_wh"], told["baseline_wh"], told["net_wh"], strict=True)
        members = [
            recompute.Member(role == "t", weight, None if net is None else sign * (base - net))
            for role, weight, base, net in columns
        ]
        delivered = recompute.delivered_wh(readings, rule)
        if members[own].delivered_wh != delivered:
            raise WalkFailed(f"{members[own].delivered_wh} Wh counted in the group, {delivered} Wh computed again")
        return recompute.group_cents(members, rule)[own]

    def _car_of(self, vehicle: str) -> dict[str, Any]:
        model = next(one["model"] for one in self.api("vehicles/") if one["id"] == vehicle)
        return next(car for car in self._cars() if car["modelName"] == model)

    def _cars(self) -> list[dict[str, Any]]:
        return [car for car in self.world.cars() if car["account"] == self.owner.maker_account]

    def _check_meter(self, car: dict[str, Any], records: list[dict[str, Any]], rule: recompute.Rule) -> None:
        """Compare what the readings say of the event with the car's own true meter over the same time."""
        read, true = recompute.meter_gap(records, rule)
        if abs(read - true) > METER_TOLERANCE * max(abs(true), recompute.baseline_wh(rule)):
            raise WalkFailed(f"{car['modelName']}: readings say {float(read):.0f} Wh, its meter {float(true):.0f} Wh")

    def see_it_leave(self) -> None:
        """Let the night pass quickly and see that both cars leave charged, and were free before."""
        leaves_at = self.local(time_of_day(7, 20), days=1)
        for at in leaps(self.stack.simulated_now(), leaves_at, span=timedelta(minutes=30)):
            self.stack.set_clock(at, self.rate)
            time.sleep(2 * SWEEP_SECONDS)
        for car in self._cars():
            if car["socPercent"] < TARGET_PERCENT - 1:
                raise WalkFailed(f"{car['modelName']} leaves with {car['socPercent']:.1f} %")
            self.mark("leaves", f"{car['modelName']} with {car['socPercent']:.0f} %, {TARGET_PERCENT} % were asked")


def enough(items: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the items if they are of at least `count` cars, else nothing."""
    return items if len({item["vehicle"] for item in items}) >= count else []


def next_weekday(day: date) -> date:
    """Return the next Monday to Thursday, so that the morning after is a working day too."""
    while day.weekday() > 3:
        day += timedelta(days=1)
    return day


def leaps(starts_at: datetime, ends_at: datetime, *, span: timedelta) -> Iterator[datetime]:
    """Yield instants from one to the other, `span` apart; none where it is past already."""
    at = starts_at
    while at < ends_at:
        at = min(at + span, ends_at)
        yield at
