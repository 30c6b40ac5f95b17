"""Columns read and written at once hold what rows hold, on every database."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import FloatField, TextField
from django.db.models.functions import Cast

from accounts.models import User
from grid.models import Plan, PlanningState
from grid.rows.column_writes import insert_rows, update_rows
from grid.rows.columns import CLOCK, IDENTITY, MISSING, REAL, TEXT, TIME, WHOLE, at_micros, micros_of, read_columns
from tests.factories import grid, nights
from vehicles.automakers.base import read_capabilities
from vehicles.models import ChargeReading, Departure, PlugSession, Vehicle


def test_columns_hold_what_rows_hold(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    nights.reading(vehicle, at=now, soc="61.25", power_w=-7_200, is_plugged_in=None, imported_wh=2**40)
    rows = ChargeReading.objects.order_by("-observed_at").annotate(soc=Cast("soc_percent", FloatField()))

    keys, observed, soc, power, plugged, imported, state = read_columns(
        rows.values_list("pk", "observed_at", "soc", "power_w", "is_plugged_in", "imported_wh", "charge_state"),
        [WHOLE, TIME, REAL, WHOLE, WHOLE, WHOLE, TEXT],
    )

    newest, before = rows
    assert keys.tolist() == [newest.pk, before.pk]
    assert [at_micros(micros) for micros in observed.tolist()] == [newest.observed_at, before.observed_at]
    assert soc.tolist() == [61.25, 50.0]
    assert power.tolist() == [-7_200, MISSING]
    assert plugged.tolist() == [MISSING, 1]
    assert imported.tolist() == [2**40, MISSING]
    assert state == ["charging", "charging"]


def test_columns_hold_names_clocks_and_what_is_missing(alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now, nickname="Zoë’s “car”").vehicle
    PlugSession.objects.update(
        unplugged_at=datetime(1999, 12, 31, tzinfo=UTC), plugged_in_at=datetime(1999, 1, 1, tzinfo=UTC)
    )

    ids, names, abilities = read_columns(
        Vehicle.objects.annotate(told=Cast("capabilities", TextField())).values_list("public_id", "nickname", "told"),
        [IDENTITY, TEXT, TEXT],
    )
    (clocks,) = read_columns(Departure.objects.values_list("leaves_at_local"), [CLOCK])
    ((left,),) = (column.tolist() for column in read_columns(PlugSession.objects.values_list("unplugged_at"), [TIME]))
    (nothing,) = read_columns(PlugSession.objects.filter(pk=0).values_list("pk"), [WHOLE])

    assert [uuid.UUID(ids[0]), names[0]] == [vehicle.public_id, "Zoë’s “car”"]
    assert read_capabilities(json.loads(abilities[0])) == vehicle.can
    assert set(clocks.tolist()) == {(7 * 60 + 30) * 60_000_000}
    assert left == micros_of(datetime(1999, 12, 31, tzinfo=UTC))
    assert len(nothing) == 0


def test_any_of_finds_rows_by_key(alice: User, bob: User, now: datetime) -> None:
    one, other = grid.car(alice, now=now), grid.car(bob, now=now)

    assert list(Vehicle.objects.filter(pk__any_of=[one.pk, -1])) == [one]
    assert set(Vehicle.objects.filter(owner__any_of=[alice.pk, bob.pk])) == {one, other}
    assert not Vehicle.objects.filter(pk__any_of=[]).exists()


@pytest.mark.parametrize("text", ["plain", "", '"quotes", {braces}, \\slashes\\, ’tails'], ids=repr)
def test_rows_come_back_as_they_were_written(text: str, alice: User, now: datetime) -> None:
    vehicle = nights.plugged_car(alice, now=now).vehicle
    identity = uuid.uuid4()
    insert_rows(
        Plan,
        {
            "public_id": [identity],
            "vehicle": [vehicle.pk],
            "made_at": [now],
            "reason": [text],
            "starts_at": [now - timedelta(microseconds=1)],
            "slot_minutes": [15],
            "departure_at": [None],
            "arrays": [bytes(range(256))],
            "made_from": [json.dumps({"why": text, "count": [1, 2.5, None]})],
            "is_current": [True],
        },
    )

    plan = Plan.objects.get()
    assert (plan.public_id, plan.vehicle, plan.made_at, plan.reason) == (identity, vehicle, now, text)
    assert (plan.starts_at, plan.departure_at) == (now - timedelta(microseconds=1), None)
    assert bytes(plan.arrays) == bytes(range(256))
    assert plan.made_from == {"why": text, "count": [1, 2.5, None]}


def test_update_changes_the_rows_named_alone(alice: User, bob: User, now: datetime) -> None:
    states = [
        PlanningState.objects.create(vehicle=grid.car(owner, now=now), due_at=now, dispatch_at=now)
        for owner in (alice, bob)
    ]
    habit = json.dumps([36000, 0.15, None, [0, 45], 7200])
    changes: dict[str, list[Any]] = {
        "due_at": [now + timedelta(hours=1)],
        "reason": ['a "b", c'],
        "planned_at": [None],
        "habit": [habit],
    }

    update_rows(PlanningState, {"id": [states[0].pk], **changes})

    changed, other = PlanningState.objects.order_by("pk")
    assert (changed.due_at, changed.reason, changed.planned_at) == (now + timedelta(hours=1), 'a "b", c', None)
    assert changed.habit == [36000, 0.15, None, [0, 45], 7200]
    assert (other.due_at, other.reason, other.habit) == (now, "", None)
