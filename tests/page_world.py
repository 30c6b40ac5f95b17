"""An owner with everything that pages show: an enrolled car with readings, plan, past and coming event, money."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Notice, PushDevice, User
from foundation import clock
from grid.flows.plans.planning import plan_due
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import EventParticipation, GridEvent, ProgramElsewhere, Settlement
from tests.factories import grid, nights, rewards
from tests.url_map import UTILITYS
from vehicles.flows.preferences import skip_tonight
from vehicles.models import ChargeOverride, Command, DatedDeparture, LinkAttempt, PlugSession, Vehicle

SECRET_VIN = "1FT6W1EV5PWG07777"


@dataclass(frozen=True)
class World:
    """The rows of one owner, by what addresses call them."""

    owner: User
    vehicle: Vehicle
    coming: EventParticipation
    past: EventParticipation
    settlement: Settlement
    override: ChargeOverride
    attempt: LinkAttempt

    def values(self) -> dict[str, Any]:
        """Return an argument of an address -> the public id of the owner's object."""
        return {
            "vehicle": self.vehicle.public_id,
            "link": self.vehicle.link.public_id,
            "override": self.override.public_id,
            "attempt": self.attempt.public_id,
            "participation": self.coming.public_id,
            "settlement": self.settlement.public_id,
            "dated": self.vehicle.dated_departures.get().public_id,
            "key": "payouts",
            "notice": Notice.objects.filter(user=self.owner).order_by("pk")[0].public_id,
            "device": PushDevice.objects.get(user=self.owner).public_id,
            "receipt": self.owner.consents.order_by("pk")[0].public_id,
            "declared": self.owner.programs_elsewhere.get().public_id,
        }


def stop_clock(settings: Any, folder: Path, at: datetime) -> None:
    """Freeze the platform's time at `at`."""
    path = folder / "clock.json"
    path.write_text(json.dumps({"simulated_at": at.isoformat(), "wall_at": at.isoformat(), "rate": 0}))
    settings.CLOCK_ANCHOR_FILE = str(path)
    assert clock.now() == at


def build_world(owner: User, *, now: datetime) -> World:
    """Let the owner's car help yesterday evening, plan tonight, and be asked for this evening."""
    enrolled = nights.plugged_car(owner, now=now, nickname="Blue Lightning", vin=SECRET_VIN)
    vehicle = enrolled.vehicle
    past = _yesterday(enrolled, now=now)
    settle_due(now=now, limit=10)
    post_due_settlements(now=now, limit=10)
    coming = grid.participation(enrolled, now=now)
    ProgramElsewhere.objects.create(owner=owner, program=past.event.terms.program, declared_at=now, ended_at=now)
    plan_due(now=now, limit=10)
    Command.objects.create(
        vehicle=vehicle,
        key=f"hold-{vehicle.pk}",
        kind=Command.Kind.HOLD,
        state=Command.State.CONFIRMED,
        ended_by=Command.EndedBy.CAR,
        ends_at=now + timedelta(minutes=10),
        due_at=now,
        created_at=now,
        sent_at=now,
        accepted_at=now,
        confirmed_at=now,
    )
    rewards.payout_account(owner, now=now + timedelta(hours=5))
    far = (now + timedelta(days=30)).date()
    DatedDeparture.objects.create(vehicle=vehicle, kind="stays", first_date=far, last_date=far, created_at=now)
    override = skip_tonight(vehicle=vehicle, now=now)
    attempt = LinkAttempt.objects.create(
        owner=owner,
        maker="ford",
        kind="device_code",
        state_hash=f"state-{owner.pk}",
        session_hash="session",
        user_code="WDJB-MJHT",
        verification_url="https://maker.test/device",
        expires_at=clock.wall() + timedelta(hours=1),
    )
    PushDevice.objects.create(
        user=owner, endpoint="https://fcm.googleapis.com/fcm/send/x", endpoint_hash=f"x{owner.pk}", created_at=now
    )
    return World(owner, vehicle, coming, past, Settlement.objects.get(participation=past), override, attempt)


def _yesterday(enrolled: Any, *, now: datetime) -> EventParticipation:
    starts_at = now - timedelta(hours=22)
    begun_at = starts_at - timedelta(minutes=30)
    PlugSession.objects.create(
        vehicle=enrolled.vehicle,
        plugged_in_at=begun_at,
        soc_percent=40,
        limit_percent=90,
        is_at_home=True,
        unplugged_at=begun_at + timedelta(hours=12),
    )
    for hours, soc, imported_wh in ((-1, 40, 100_000), (0, 43, 103_000), (2, 43, 103_200), (8, 90, 150_000)):
        at = starts_at + timedelta(hours=hours)
        nights.reading(enrolled.vehicle, at=at, soc=soc, imported_wh=imported_wh, exported_wh=500)
    event = grid.event(
        now=starts_at - timedelta(hours=2),
        starts_at=starts_at,
        state=GridEvent.State.ANNOUNCED,
        announced_at=starts_at - timedelta(hours=2),
    )
    return grid.participation(enrolled, now=starts_at, in_event=event)


# What has its own doors: staff's, utilities', allauth's and apps' addresses are tested where they live.
FOREIGN = ("admin/", "desk/", "account/", "_allauth/", "api/", "webhooks/")
OWN_ACCOUNT = ("account/", "account/close/", "account/keep/")


def addresses(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (name, address) of every page for owners, arguments filled in; a page that is new cannot be forgotten."""
    found: list[tuple[str, str]] = []
    _walk(get_resolver().url_patterns, "", lambda name, names: found.append((name, _address(name, names, values))))
    return found


def _walk(patterns: Any, before: str, keep: Callable[[str, list[str]], None]) -> None:
    for entry in patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if not route.startswith(FOREIGN):
                _walk(entry.url_patterns, route, keep)
        elif isinstance(entry, URLPattern) and (not route.startswith(FOREIGN) or route in OWN_ACCOUNT):
            assert entry.name, f"{route} has no name"
            if entry.name in UTILITYS:
                continue  # no page of an owner's
            keep(entry.name, list(entry.pattern.converters))


def _address(name: str, names: list[str], values: dict[str, Any]) -> str:
    return reverse(name, kwargs={one: values.get(one, "ford") for one in names})
