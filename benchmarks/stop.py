"""How long the kill switch takes: from the command to the last release that the maker accepted, with no broker.

1,000 cars are held (`STOP_CARS` names another count), half of them timed and half start/stop. The broker's and cache's
addresses lead to a closed port; `manage.py stop_all` has the database and a counting maker that takes 200 ms for
every answer. Counted from the start of its process, which loads the whole platform first.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.children import ROOT, CountingMaker, environment, report, start
from benchmarks.ratios import Ratio
from journey.stack import free_port
from tests.throwaway import Missing, postgres

CARS, SHORT_CARS = 1_000, 100
TARGET_SECONDS = 60.0
MAKER_SECONDS = 0.2
WHO = "ada@example.org"


def run(*, is_short: bool) -> Iterator[Ratio]:
    """Yield the seconds; nothing where PostgreSQL's binaries are missing."""
    cars = int(os.environ.get("STOP_CARS", SHORT_CARS if is_short else CARS))
    try:
        with (
            postgres() as url,
            tempfile.TemporaryDirectory() as folder,
            CountingMaker(seconds=MAKER_SECONDS) as (port, maker),
        ):
            nowhere = f"redis://127.0.0.1:{free_port()}/0"
            settings = {**environment(url, folder, port), "CELERY_BROKER_URL": nowhere, "CACHE_URL": nowhere}
            report(start(settings, "benchmarks.stop", cars))
            begun = time.time()
            said = _stop_all(settings)
            out, _ = maker.communicate()
    except Missing as missing:
        sys.stdout.write(f"  left out: {missing}\n")
        return
    counted = json.loads(out)
    released = counted.get("command", 0)
    if released != cars:
        raise RuntimeError(f"{released} of {cars} cars were released: {said}")
    yield Ratio(
        "kill switch to last release accepted, s",
        counted["last_command_at"] - begun,
        target=TARGET_SECONDS,
        is_ceiling=True,
        detail=f"{cars:,} cars, each once, at most {counted['most_at_once']} at once; {said[-1]}",
    )


def _stop_all(settings: dict[str, str]) -> list[str]:
    command = [sys.executable, "manage.py", "stop_all", "--by", WHO, "--reason", "benchmark"]
    done = subprocess.run(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def make(count: int) -> float:
    """Make `count` cars that are held since a minute ago, and somebody who may stop everything."""
    from accounts.models import User  # noqa: PLC0415 - after django.setup()
    from benchmarks.rows import make_cars  # noqa: PLC0415
    from foundation import clock  # noqa: PLC0415
    from tests.factories import nights  # noqa: PLC0415
    from vehicles.models import Command, Vehicle, VehicleLink  # noqa: PLC0415

    now = clock.now()
    make_cars(count, now=now, days=0)
    expires_at = clock.wall() + timedelta(days=1)
    VehicleLink.objects.update(access_token="a" * 900, access_expires_at=expires_at, refresh_expires_at=expires_at)
    cars = list(Vehicle.objects.order_by("pk"))
    for number, car in enumerate(cars):
        car.capabilities = nights.START_STOP if number % 2 else nights.TIMED
    Vehicle.objects.bulk_update(cars, ["capabilities"], batch_size=500)
    Command.objects.bulk_create(
        Command(
            vehicle=car,
            key=f"bench:{car.pk}",
            kind=Command.Kind.HOLD,
            state=Command.State.CONFIRMED,
            ended_by=Command.EndedBy.WATCHDOG if number % 2 else Command.EndedBy.CAR,
            ends_at=now + timedelta(minutes=10),
            due_at=now - timedelta(minutes=1),
            created_at=now - timedelta(minutes=1),
            sent_at=now - timedelta(minutes=1),
        )
        for number, car in enumerate(cars)
    )
    User.objects.create_superuser(WHO, "charge-the-grid", name="Ada")
    return count


def main() -> None:
    """Make the cars and print the report."""
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    print(json.dumps({"done": make(int(sys.argv[1]))}), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
