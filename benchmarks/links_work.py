"""One child's part of `benchmarks.links`: make the links, or work through what is due by the platform's own sweeps."""

import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import django

AT_ONCE = 1_000


def make(count: int) -> dict[str, float]:
    """Make `count` owners, each with a link that should be renewed and a car whose reading is due."""
    from accounts.models import Consent, User  # noqa: PLC0415 - after django.setup()
    from foundation import clock  # noqa: PLC0415
    from foundation.fields import keyed_hash  # noqa: PLC0415
    from tests.factories.vehicles import START_STOP  # noqa: PLC0415
    from vehicles.models import ChargePreference, HomePlace, Vehicle, VehicleLink  # noqa: PLC0415

    now = clock.wall()
    numbers = iter(range(count))
    while chunk := list(itertools.islice(numbers, AT_ONCE)):
        owners = User.objects.bulk_create(User(email=f"bench-{number}@example.org") for number in chunk)
        Consent.objects.bulk_create(
            Consent(user=owner, purpose="data_use", version="1", text_sha256="0" * 64, granted_at=now)
            for owner in owners
        )
        HomePlace.objects.bulk_create(
            HomePlace(owner=owner, latitude="30.2672", longitude="-97.7431", set_at=now) for owner in owners
        )
        links = VehicleLink.objects.bulk_create(
            VehicleLink(
                owner=owner,
                maker="ford",
                subject_hash=keyed_hash(f"bench {owner.pk}"),
                access_token="a" * 900,
                refresh_token="r" * 900,
                access_expires_at=now + timedelta(hours=3),
                refresh_expires_at=now + timedelta(days=60),
                refreshed_at=now - timedelta(days=15),
                linked_at=now,
            )
            for owner in owners
        )
        cars = Vehicle.objects.bulk_create(
            Vehicle(
                owner=link.owner,
                link=link,
                external_id=f"car-{link.pk}",
                external_id_hash=keyed_hash(f"ford:car-{link.pk}"),
                vin=f"1FTBENCH{link.pk:09}",
                vin_hash=keyed_hash(f"{link.pk}"),
                make="Ford",
                model="Mustang Mach-E",
                state="active",
                is_controlling=True,
                capabilities=START_STOP.as_json(),
                capacity_wh=88_000,
                max_charge_w=11_000,
                next_read_at=now,
                created_at=now,
            )
            for link in links
        )
        ChargePreference.objects.bulk_create(ChargePreference(vehicle=car, changed_at=now) for car in cars)
        _know(cars, before=now - timedelta(minutes=16))
    return {"done": count}


def _know(cars: list[Any], *, before: datetime) -> None:
    """Let each car have been seen once at its home plug: the usual reading is one of many."""
    from vehicles.models import ChargeReading, PlugSession  # noqa: PLC0415 - after django.setup()

    ChargeReading.objects.bulk_create(
        ChargeReading(
            vehicle=car,
            observed_at=before,
            fetched_at=before,
            soc_percent=60,
            is_plugged_in=True,
            is_at_home=True,
            charge_state="charging",
        )
        for car in cars
    )
    PlugSession.objects.bulk_create(
        PlugSession(vehicle=car, plugged_in_at=before, soc_percent=60, limit_percent=80, is_at_home=True)
        for car in cars
    )


class Stopwatch:
    """Adds up where the time of a thread's calls goes."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with its time counted as `part`."""

        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.spent[part] += time.perf_counter() - begun

        return timed

    def watch(self) -> None:
        """Count every statement of this thread's connection, every call through the door and every cipher."""
        from cryptography.fernet import MultiFernet  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        from foundation.http import Door  # noqa: PLC0415

        Door.send = self.around("http", Door.send)  # type: ignore[method-assign]
        MultiFernet.encrypt = self.around("crypto", MultiFernet.encrypt)  # type: ignore[method-assign]
        MultiFernet.decrypt = self.around("crypto", MultiFernet.decrypt)  # type: ignore[method-assign]
        connection.execute_wrappers.append(
            lambda execute, *arguments: self.around("db", execute)(*arguments)  # the same for every statement
        )


def work(name: str, most: int, workers: int) -> dict[str, float]:
    """Work through what is due, at most `most` rows, and say how many were done in which time."""
    from django.conf import settings  # noqa: PLC0415 - after django.setup()

    from foundation import clock  # noqa: PLC0415
    from vehicles.flows import links, telemetry  # noqa: PLC0415
    from vehicles.tasks import LINKS_A_SWEEP, READINGS_A_SWEEP  # noqa: PLC0415

    flows = {
        "read": (telemetry.read_due_vehicles, READINGS_A_SWEEP),
        "refresh": (links.refresh_idle_links, LINKS_A_SWEEP),
    }
    sweep, limit = flows[name]
    watch = Stopwatch()
    if workers == 1:
        watch.watch()
    workers = workers or settings.MAKER_CALLS_AT_ONCE
    begun, started, cpu, done = time.time(), time.perf_counter(), time.process_time(), 0
    while done < most:
        count = sweep(now=clock.now(), limit=min(limit, most - done), workers=workers)
        done += count
        if not count:
            break
    seconds = time.perf_counter() - started
    rest = seconds - sum(watch.spent.values())
    report = {"done": done, "seconds": seconds, "begun": begun, "ended": time.time(), "rest": rest}
    report["cpu"] = time.process_time() - cpu
    return {"http": 0.0, "db": 0.0, "crypto": 0.0, **watch.spent, **report}


def main() -> None:
    """Do one part and print its report."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    part = sys.argv[1]
    if part == "make":
        call_command("migrate", verbosity=0)
        report = make(int(sys.argv[2]))
        with connection.cursor() as cursor:
            cursor.execute("analyze")
    else:
        report = work(part, int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(report), flush=True)
    connection.close()


if __name__ == "__main__":
    main()
