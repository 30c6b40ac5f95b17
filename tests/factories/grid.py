"""Makes utilities, tariffs, homes, programs, enrolled cars and events, each fit for use unless told otherwise."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from accounts.flows.consents import grant_consent
from accounts.models import Consent, User
from foundation.fields import keyed_hash
from grid.models import (
    Enrollment,
    EventParticipation,
    Feed,
    GridEvent,
    OperatorLink,
    OperatorProgram,
    Program,
    ProgramTerms,
    Site,
    Tariff,
    Utility,
)
from vehicles.automakers.base import Capabilities
from vehicles.models import ChargePreference, HomePlace, Vehicle, VehicleLink

LONG_AGO = timedelta(days=60)


def utility(slug: str = "lone-star", **fields: Any) -> Utility:
    """Return a utility in Texas, or in Ontario where `country` is CA."""
    is_canadian = fields.get("country") == "CA"
    values = {
        "name": slug.replace("-", " ").title(),
        "country": "US",
        "region": "Ontario" if is_canadian else "Texas",
        "currency": "CAD" if is_canadian else "USD",
        "time_zone": "America/Toronto" if is_canadian else "America/Chicago",
        "offset_seconds": 0,  # every car on the minute, but where a test is about just that
    }
    return Utility.objects.get_or_create(slug=slug, defaults=values | fields)[0]


def feed(**fields: Any) -> Feed:
    """Return the day-ahead prices of Austin."""
    values = {"source": "ercot", "zone": "LZ_AEN", "kind": Feed.Kind.DAY_AHEAD_PRICE}
    return Feed.objects.get_or_create(**(values | fields))[0]


def tariff(of: Utility | None = None, slug: str = "flat", **fields: Any) -> Tariff:
    """Return a flat tariff of 12 c/kWh."""
    values = {
        "utility": of or utility(),
        "name": slug,
        "kind": Tariff.Kind.FLAT,
        "flat_rate_micros_per_kwh": 120_000,
    }
    return Tariff.objects.get_or_create(slug=slug, defaults=values | fields)[0]


def home(owner: User, *, now: datetime, **fields: Any) -> Site:
    """Return the owner's home with a bidirectional charger and permission to export."""
    values = {
        "time_zone": "America/Toronto" if owner.country == "CA" else "America/Chicago",
        "evse_max_charge_w": 11_500,
        "is_evse_bidirectional": True,
        "has_export_permission": True,
        "export_limit_w": 9_600,
        "created_at": now - LONG_AGO,
    }
    fields.setdefault("tariff", None)
    fields["tariff"] = fields["tariff"] or tariff()
    site = Site.objects.get_or_create(owner=owner, defaults=values | fields)[0]
    HomePlace.objects.get_or_create(
        owner=owner, defaults={"latitude": "30.26", "longitude": "-97.74", "set_at": now - LONG_AGO}
    )
    return site


def car(owner: User, *, now: datetime, **fields: Any) -> Vehicle:
    """Return a linked, controlling car with V2G and preferences."""
    name = fields.get("nickname", "Lightning")
    link, _ = VehicleLink.objects.get_or_create(
        owner=owner, maker="ford", subject_hash=keyed_hash(str(owner.pk)), defaults={"linked_at": now - LONG_AGO}
    )
    can = Capabilities(can_start_stop=True, hold_ends="timed", max_discharge_w=9_600, is_metered=True)
    values = {
        "external_id": name,
        "external_id_hash": keyed_hash(f"{owner.pk} {name}"),
        "vin_hash": uuid.uuid4().hex,
        "make": "Ford",
        "model": "F-150 Lightning",
        "nickname": name,
        "state": Vehicle.State.ACTIVE,
        "is_controlling": True,
        "capabilities": can.as_json(),
        "capacity_wh": 98_000,
        "max_charge_w": 11_300,
        "max_discharge_w": 9_600,
        "created_at": now - LONG_AGO,
    }
    vehicle = Vehicle.objects.create(owner=owner, link=link, **(values | fields))
    ChargePreference.objects.create(vehicle=vehicle, is_v2g_allowed=True, changed_at=now - LONG_AGO)
    return vehicle


def agree(owner: User, *, now: datetime) -> None:
    """Grant every consent."""
    for purpose in Consent.Purpose.values:
        grant_consent(user=owner, purpose=purpose, now=now - LONG_AGO)


def program(of: Utility | None = None, slug: str = "evening-relief", **fields: Any) -> Program:
    """Return an open program without terms."""
    values = {"utility": of or utility(), "name": slug.replace("-", " ").title()}
    return Program.objects.get_or_create(slug=slug, defaults=values | fields)[0]


def terms(of: Program | None = None, *, now: datetime, **fields: Any) -> ProgramTerms:
    """Return terms of 2.00 per kWh, 15 minutes' notice and three hours at most."""
    values = {
        "valid_from_at": now - LONG_AGO,
        "reward_micros_per_kwh": 2_000_000,
        "minimum_notice_minutes": 15,
        "max_event_minutes": 180,
    }
    version = fields.pop("version", 1)
    return ProgramTerms.objects.get_or_create(program=of or program(), version=version, defaults=values | fields)[0]


def enrollment(owner: User, *, now: datetime, of: Program | None = None, **car_fields: Any) -> Enrollment:
    """Return one car of the owner, at home, agreed and enrolled."""
    chosen = of or program()
    terms(chosen, now=now)
    site = home(owner, now=now, tariff=tariff(chosen.utility, slug=f"flat-{chosen.utility.slug}"))
    agree(owner, now=now)
    vehicle = car(owner, now=now, **car_fields)
    return Enrollment.objects.create(program=chosen, vehicle=vehicle, site=site, enrolled_at=now - timedelta(days=30))


def event(*, now: datetime, of: ProgramTerms | None = None, **fields: Any) -> GridEvent:
    """Return an event over two hours, one hour ahead, due to be announced now."""
    starts_at = fields.get("starts_at", now + timedelta(hours=1))
    ends_at = fields.get("ends_at", starts_at + timedelta(hours=2))
    values = {
        "terms": of or terms(now=now),
        "kind": GridEvent.Kind.HOLD,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "target_w": 30_000,
        "reward_micros_per_kwh": 2_000_000,
        "created_at": now,
        "announce_at": now,
        "settle_at": ends_at + timedelta(minutes=30),
    }
    return GridEvent.objects.create(**(values | fields))


def participation(of: Enrollment, *, now: datetime, in_event: GridEvent | None = None) -> EventParticipation:
    """Return the car's part in an announced event."""
    announced = in_event or event(now=now, state=GridEvent.State.ANNOUNCED, announced_at=now)
    return EventParticipation.objects.create(event=announced, enrollment=of, invited_at=now)


def operator_program(*, now: datetime, of: Program | None = None, **link_fields: Any) -> OperatorProgram:
    """Return a program as a utility's OpenADR 3.1 server knows it, with terms in force."""
    of = of or terms(now=now).program
    values: dict[str, Any] = {
        "protocol": OperatorLink.Protocol.OPENADR_3_1,
        "api_base": "https://vtn.test/openadr3/3.1.0",
        "oauth_id": "ven",
        "client_secret": "secret-one",
        "ven_name": "fleet-1",
    }
    link = OperatorLink.objects.create(utility=of.utility, **(values | link_fields))
    return OperatorProgram.objects.create(link=link, remote_id="program-1", program=of)
