"""What an owner can have besides what tests/page_world.py gives: one of each thing that the API shows."""

import re
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import responses

from accounts.models import Notice, PushDevice
from chargescape.models import DataExport
from foundation import clock
from grid.models import Dispatch, Invoice
from rewards.flows.payouts import pay_now
from rewards.models import Earning, PayTerms
from tests.factories import vehicles as make
from tests.page_world import World, build_world
from vehicles.models import HomeCharger


def build_api_world(owner: Any, *, now: datetime) -> World:
    """Return the page world's owner with a payout, an earning, a dispatch, a wall box and an export besides."""
    world = build_world(owner, now=now)
    pay_now(owner=owner, currency=owner.currency, now=now)
    Dispatch.objects.create(
        vehicle=world.vehicle,
        participation=world.past,
        mode="hold",
        starts_at=now - timedelta(hours=2),
        ends_at=now - timedelta(hours=1),
        created_at=now,
    )
    terms = PayTerms.objects.create(
        program="evening-relief", version=1, utility="lone-star", currency="USD", time_zone="UTC", valid_from_at=now
    )
    Earning.objects.create(
        owner=owner,
        terms=terms,
        form="enrollment_bonus",
        position=0,
        title="Welcome",
        about=uuid4(),
        period_date=date(2026, 11, 1),
        currency="USD",
        amount_minor=0,
        reason="left_too_early",
        calculation={"terms": {"amount_minor": 15_000, "after_days": 30}, "inputs": {"days_enrolled": 29}},
        created_at=now,
    )
    HomeCharger.objects.create(
        link=make.link(owner, maker="homebox"), external_id="box", external_id_hash="box", created_at=now
    )
    Invoice.objects.create(
        utility=world.past.event.terms.program.utility, month_date=date(2026, 10, 1), currency="USD", made_at=now
    )
    if not PushDevice.objects.filter(user=owner).exists():
        PushDevice.objects.create(user=owner, endpoint="https://push.test/x", endpoint_hash="x", created_at=now)
    if not DataExport.objects.filter(user=owner).exists():
        DataExport.objects.create(user=owner, requested_at=now, expires_at=clock.wall() + timedelta(days=1))
    return world


def read_out(answer: Any) -> Any:
    """Return the answer, read to its end where it is streamed: only then is its file closed."""
    if answer.streaming:
        b"".join(answer.streaming_content)
    return answer


def forget_payees(outside: responses.RequestsMock) -> None:
    """Let the payment processor know nobody: it answers everything with 404."""
    for method in ("GET", "POST", "DELETE"):
        unknown = {"error": {"type": "invalid_request_error", "message": "No such account."}}
        outside.add(method, re.compile(r"https://api\.stripe\.com/"), json=unknown, status=404)


def values_of(world: World) -> dict[str, Any]:
    """Return an argument of an address -> the public id of the owner's object, those of the API's world included."""
    owner = world.owner
    return world.values() | {
        "receipt": owner.consents.order_by("pk")[0].public_id,
        "notice": Notice.objects.filter(user=owner)[0].public_id,
        "device": PushDevice.objects.filter(user=owner)[0].public_id,
    }
