"""`make journey`: walks the whole path unattended in a temporary folder and exits 0 only if every cent is right."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from journey.stack import Service, Stack, StackFailed, free_port
from journey.walk import SWEEP_SECONDS, Walk, WalkFailed
from journey.web import PageLacks

KILLED = ("worker", "beat", "broker", "web")


def kill_four(stack: Stack) -> None:
    """Kill worker, beat, broker and web in the middle of the event, as hard as one can."""
    for name in KILLED:
        service: Service = stack.services[name]
        if service.process is not None:
            service.process.send_signal(signal.SIGKILL)


def walk(folder: Path, *, rate: float, with_kills: bool, until_morning: bool) -> None:
    """Walk the path once; raises WalkFailed, PageLacks or StackFailed where it does not lead to the bank."""
    web, sandbox, smtp = free_port(), free_port(), free_port()
    stack = Stack(folder, web_port=web, sandbox_port=sandbox, smtp_port=smtp, sweep_seconds=SWEEP_SECONDS)
    steps = Walk(stack, rate=rate, kill_midway=kill_four if with_kills else None, with_app=not with_kills)
    try:
        steps.prepare()
        steps.move_in()
        settlements = steps.live_through_the_event()
        steps.get_paid(steps.check_cents(settlements))
        steps.get_paid_by_app()
        steps.look_around()
        if until_morning:
            steps.see_it_leave()
    finally:
        stack.stop()


def main() -> int:
    """Run the journey; return its exit code."""
    parser = argparse.ArgumentParser(prog="journey", description=__doc__)
    parser.add_argument("--kill", action="store_true", help="kill worker, beat, broker and web during the event")
    parser.add_argument("--until-morning", action="store_true", help="go on until the cars leave, charged")
    parser.add_argument("--rate", type=float, default=120.0, help="simulated seconds per second")
    parser.add_argument("--folder", type=Path, help="keep everything here instead of in a temporary folder")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chargescape-journey-", ignore_cleanup_errors=True) as temporary:
        folder = options.folder or Path(temporary)
        try:
            walk(folder.resolve(), rate=options.rate, with_kills=options.kill, until_morning=options.until_morning)
        except (WalkFailed, PageLacks, StackFailed, TimeoutError) as failure:
            print(f"The journey failed: {failure}", flush=True)
            for log in sorted((folder / "log").glob("*.log")):
                print(f"--- {log.name}, last lines", *log.read_text(errors="replace").splitlines()[-15:], sep="\n")
            return 1
    print(f"The journey is complete after {time.monotonic() - began:.0f} s: every cent is where it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
