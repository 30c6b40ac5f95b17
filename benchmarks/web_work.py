"""The benchmark's children that need Django: they make the world and sign its callers in."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import django

NOW = datetime(2026, 11, 18, 23, 5, tzinfo=UTC)
CALLERS = 400


def make(count: int) -> list[dict[str, str]]:
    """Make `count` owners with a year behind them and a plan for tonight; return callers that are signed in."""
    from django.conf import settings  # noqa: PLC0415 - after django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from benchmarks.rows import make_cars  # noqa: PLC0415
    from benchmarks.web_year import make_year  # noqa: PLC0415
    from foundation import clock  # noqa: PLC0415
    from grid.flows.plans.planning import plan_due  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    make_cars(count, now=NOW)
    make_year(now=NOW)
    anchor = clock.Anchor(simulated_at=NOW, wall_at=clock.wall(), rate=1)
    clock.write_anchor(Path(settings.CLOCK_ANCHOR_FILE), anchor)
    while plan_due(now=NOW, limit=1_000):
        pass
    return _callers()


def _callers() -> list[dict[str, str]]:
    from importlib import import_module  # noqa: PLC0415

    from allauth.headless.tokens.strategies.jwt import internal  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from chargescape.changes import changes_since  # noqa: PLC0415

    found = []
    for owner in User.objects.filter(vehicles__isnull=False).order_by("pk")[:CALLERS]:
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(owner.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
        session.save()
        cursor = changes_since(owner=owner, cursor="", limit=500).cursor
        token = internal.create_access_token(owner, session, {})
        found.append({"session": session.session_key, "token": token, "cursor": cursor, "owner": owner.pk})
    return found


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(make(int(sys.argv[2]))) + "\n")
