"""`make demo`: the whole platform and its sandbox world on this machine, with a past, a night in twelve minutes."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

from journey import makers
from journey.admin import ADMINS, MEMBERS
from journey.owner import PASSWORD
from journey.stack import HOME, Stack, StackFailed, free_port, is_free
from journey.world import World

RATE = 60.0  # a simulated minute each second
HISTORY = timedelta(days=13, hours=19)  # it begins on an evening, with the cars at home
TEXAS = ZoneInfo("America/Chicago")
DESK_OPENS, EVENING = time_of_day(15, 45), time_of_day(18, 0)  # when the utility asks, and for when
STAGES = ("people", "history")


class Demo:
    """One run of the demo: first start makes people and history, later starts go on where the last one stopped."""

    def __init__(self, folder: Path, web_port: int) -> None:
        web, sandbox, smtp = (port if is_free(port) else free_port() for port in (web_port, 8100, 8125))
        self.stack = Stack(folder, web_port=web, sandbox_port=sandbox, smtp_port=smtp)
        self.folder = folder
        self.is_stopping = False
        self.asked_on = ""
        self.job: subprocess.Popen[bytes] | None = None

    def stage(self) -> dict[str, str]:
        """Return how far the first start came: `{}` for a new folder."""
        path = self.folder / "stage.json"
        stage: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return stage

    def note(self, **changes: str) -> None:
        """Write down how far we are."""
        path = self.folder / "stage.json"
        path.write_text(json.dumps(self.stage() | changes))

    def prepare(self) -> None:
        """Make database, static files, utilities and admins, and start what serves pages."""
        stack = self.stack
        admins = [f"--admin={email}={name}" for email, name in ADMINS]
        members = [f"--member={member}" for member in MEMBERS]
        stack.manage("prepare", *admins, *members, ADMIN_PASSWORD=PASSWORD, MEMBER_PASSWORD=PASSWORD)
        stack.start("broker", "sandbox", "web")

    def start_clock(self) -> None:
        """Set both clocks: frozen at the start of history on the first start, else going on from the last moment."""
        stage = self.stage()
        if "at" not in stage:
            live_at = datetime.combine(datetime.now(TEXAS).date(), time_of_day(15, 45), TEXAS).astimezone(UTC)
            self.note(live_at=live_at.isoformat(), at=(live_at - HISTORY).isoformat(), done="")
        self.stack.set_clock(datetime.fromisoformat(self.stage()["at"]), RATE if self.is_live() else 0.0)

    def is_live(self) -> bool:
        """Return whether people and history are there."""
        return self.stage().get("done") == "history"

    def go_live(self) -> None:
        """Start those who work on due rows, and let time run."""
        self.stack.start("worker", "beat", "watchdog", *self.stack.listeners(), *self.stack.extras())
        self.stack.set_clock(self.stack.simulated_now(), RATE)

    def start_next_job(self) -> None:
        """Start the next part of the first start, in a process of its own."""
        done = self.stage()["done"]
        log = (self.folder / "log" / "first-start.log").open("ab")
        if done == "":
            command = [sys.executable, "-m", "journey.people", self.stack.web_url, self.stack.sandbox_url]
        else:
            command = [sys.executable, "manage.py", "make_history", "--until", self.stage()["live_at"]]
        environment = self.stack.platform_environment() | {"DEMO_VTN_SECRET": self.stack.secrets["vtn"]}
        self.job = subprocess.Popen(command, cwd=HOME, env=environment, stdout=log, stderr=log, start_new_session=True)

    def watch_job(self) -> None:
        """Note a finished part and start the next; raises StackFailed where one failed."""
        if self.job is None or (code := self.job.poll()) is None:
            return
        if code:
            raise StackFailed(f"Making the demo's people and history failed: see {self.folder}/log/first-start.log")
        self.note(done="people" if self.stage()["done"] == "" else "history")
        self.job = None
        if self.is_live():
            self.go_live()
            say("The two weeks of history are made. Time runs now: one minute each second.")
        else:
            say("The owners have linked their cars; two weeks of history are being made (a few minutes).")
            self.start_next_job()

    def ask_for_tonight(self) -> None:
        """Have the utility's desk ask for the coming evening's help, once a day, from the afternoon on."""
        local = self.stack.simulated_now().astimezone(TEXAS)
        today = local.date().isoformat()
        if not self.is_live() or self.asked_on == today or not DESK_OPENS <= local.time() < EVENING:
            return
        starts_at = datetime.combine(local.date(), EVENING, TEXAS).astimezone(UTC)
        world = World(self.stack.sandbox_url)
        try:
            known = {str(event["intervalPeriod"]["start"])[:16] for event in world.utility_events()}
            if starts_at.isoformat()[:16] not in known:
                world.utility_asks(kind="discharge", starts_at=starts_at, minutes=120, target_kw=40)
        except OSError:
            return  # the sandbox is starting again; the next look comes soon
        self.asked_on = today

    def run(self) -> int:
        """Start, tell where to look, keep everything alive until told to stop."""
        began = time.monotonic()
        try:
            self.prepare()
            self.start_clock()
            tell_where_to_look(self.stack, seconds=time.monotonic() - began, is_new=not self.is_live())
            if self.is_live():
                self.go_live()
            else:
                self.start_next_job()
            while not self.is_stopping:
                self.watch_job()
                self.ask_for_tonight()
                for name in self.stack.restart_dead():
                    say(f"{name} had stopped and was started again.")
                self.note(at=self.stack.simulated_now().isoformat())
                time.sleep(0.5)
        except StackFailed as failure:
            say(str(failure))
            return 1
        finally:
            self.stop()
        return 0

    def stop(self) -> None:
        """Stop every process that was started."""
        if self.job is not None:
            self.job.terminate()
            self.job.wait(10)
        self.stack.stop()

    def ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Note that somebody pressed Ctrl-C."""
        self.is_stopping = True


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def tell_where_to_look(stack: Stack, *, seconds: float, is_new: bool) -> None:
    """Print the addresses and how to sign in."""
    say(f"""
ChargeScape serves at {stack.web_url}  (after {seconds:.0f} s)

  Owners    alice@example.com, bob@example.com, chloe@example.com (Canada)
  Admins    {", ".join(email for email, _ in ADMINS)}  at {stack.web_url}/admin/
  Utility   {", ".join(member.partition("=")[0] for member in MEMBERS)}  at {stack.web_url}/desk/
  Password  {PASSWORD}   (everybody's)
  API       {stack.web_url}/api/docs/
  Sandbox   {stack.sandbox_url}   the pretend outside world: makers, cars, mail, bank

Logs are in {stack.folder}/log. Ctrl-C stops everything; the data is kept. `make demo-reset` starts anew.
""")
    if not makers.has_broker():
        say("Mosquitto is not installed (apt-get install mosquitto): BMWs are read by the hour and stream nothing.")
    if is_new:
        say("The owners are signing up and linking their cars now; sign in in half a minute.")


def main() -> int:
    """Run the demo until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--folder", type=Path, default=HOME / "var" / "demo")
    options = parser.parse_args()
    stage = options.folder / "stage.json"
    if options.folder.exists() and (not stage.exists() or json.loads(stage.read_text()).get("done", "") == ""):
        shutil.rmtree(options.folder)  # the first start was cut short before its people were complete
    demo = Demo(options.folder.resolve(), options.port)
    signal.signal(signal.SIGINT, demo.ask_to_stop)
    signal.signal(signal.SIGTERM, demo.ask_to_stop)
    return demo.run()


if __name__ == "__main__":
    sys.exit(main())
