"""What owners read of plans and earnings, and that they can recompute each cent from it."""

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from grid.flows.owners.explaining import Explanation, explain_plan, explain_settlement
from grid.flows.plans.planning import current_plan, plan_due
from grid.flows.settlement.settling import settle_due
from grid.models import EventParticipation, GridEvent, Plan, Settlement
from tests.factories import grid, nights
from vehicles.models import PlugSession, Vehicle

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AUSTIN = ZoneInfo("America/Chicago")


def plan_of(vehicle: Vehicle, now: datetime) -> Plan:
    plan_due(now=now, limit=10)
    plan = current_plan(vehicle)
    assert plan is not None
    return plan


def test_plan_reads_as_one_sentence_in_local_time(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now, kind="timed").vehicle, now)

    sentence = explain_plan(plan=plan, zone=AUSTIN, now=now)

    assert sentence.endswith("ready at 7:30\u202fAM with 80%.")
    assert "12:00\u202fAM" in sentence
    assert sentence.count(".") == 1


def test_plan_is_told_from_now_on(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now, kind="start_stop", soc=70).vehicle, now)

    assert "5:00\u202fPM" in explain_plan(plan=plan, zone=AUSTIN, now=now)
    assert "5:00\u202fPM" not in explain_plan(plan=plan, zone=AUSTIN, now=now + 5 * HOUR)


def settled(part: EventParticipation, *readings: tuple[int, int, int]) -> Settlement:
    """Settle after readings of (minutes after the event's start, imported Wh, exported Wh)."""
    for minutes, imported_wh, exported_wh in readings:
        nights.reading(
            part.enrollment.vehicle,
            at=part.event.starts_at + minutes * MINUTE,
            soc=60,
            imported_wh=imported_wh,
            exported_wh=exported_wh,
        )
    settle_due(now=part.event.settle_at, limit=10)
    return Settlement.objects.get()


@pytest.fixture
def part(alice: User, now: datetime) -> EventParticipation:
    return grid.participation(nights.plugged_car(alice, now=now), now=now)


def explained(settlement: Settlement) -> Explanation:
    return explain_settlement(settlement=settlement, zone=AUSTIN)


def numbers(text: str) -> list[Decimal]:
    return [Decimal(number.replace(",", "")) for number in re.findall(r"(?<![\w:])-?\d[\d,]*(?:\.\d+)?(?![\w:])", text)]


def test_owner_can_recompute_each_cent_from_the_steps(part: EventParticipation) -> None:
    settlement = settled(part, (-5, 1_000, 0), (10, 1_900, 0), (100, 1_900, 4_321), (130, 1_907, 9_000))

    steps = {step.title: step for step in explained(settlement).steps}

    power_w, hours = re.findall(r"([\d,]+) W x ([\d.]+) h", steps["Without the event"].text)[0]
    baseline = Decimal(power_w.replace(",", "")) * Decimal(hours)
    assert baseline == Decimal(steps["Without the event"].value.replace(",", "")) == settlement.baseline_wh
    used = steps["What it really did"]
    imports, exports = re.findall(r"from ([\d,.]+) to ([\d,.]+) Wh", used.text)
    taken, given = (Decimal(b.replace(",", "")) - Decimal(a.replace(",", "")) for a, b in (imports, exports))
    net = round(taken - given)
    assert abs(Decimal(used.value.replace(",", "")) - (taken - given)) < Decimal("0.00001")
    delivered = int(baseline) - net
    assert Decimal(steps["Delivered"].value.replace(",", "")) == delivered == settlement.delivered_wh
    rate = Decimal(re.findall(r"x ([\d.]+) USD per kWh", steps["You earn"].text)[0])
    amount = (Decimal(delivered) / 1000 * rate).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    assert amount == Decimal(steps["You earn"].value) == Decimal(settlement.amount_minor) / 100


def test_steps_come_in_order_with_local_times(part: EventParticipation) -> None:
    explanation = explained(settled(part, (-5, 0, 0), (5, 0, 0), (115, 0, 0), (125, 0, 0)))

    assert [step.title for step in explanation.steps] == [
        "The event",
        "Left alone",
        "Without the event",
        "What it really did",
        "Delivered",
        "You earn",
    ]
    assert "Wed, Nov 18, 6:05\u202fPM CST" in explanation.steps[0].text
    assert explanation.steps[1].value == "3.854474"
    assert explanation.grade_text.startswith("Measured")
    assert "version 1" in explanation.method_text
    assert explanation.reason_text == ""
    assert [interval.baseline_w for interval in explanation.series] == [11_300] * 8


@pytest.mark.parametrize(
    ("readings", "grade", "reason", "words"),
    [
        pytest.param([(130, None, None)], "derived", "", "the battery went from", id="derived"),
        pytest.param([(-5, 0, 0), (130, 90_000, 0)], "derived", "", "/ 100 x 98,000 Wh", id="meter with a gap"),
        pytest.param(
            [(0, 0, 0), (60, 30_000, 0), (120, 60_000, 0)], "measured", "no_reduction", "costs you nothing", id="none"
        ),
    ],
)
def test_steps_say_how_it_is_known(
    readings: list[tuple[int, int, int]], grade: str, reason: str, words: str, part: EventParticipation
) -> None:
    for at in (-30, 20, 60, 110):
        nights.reading(part.enrollment.vehicle, at=part.event.starts_at + at * MINUTE + MINUTE, soc=60)
    settlement = settled(part, *readings)
    explanation = explained(settlement)

    assert (settlement.grade, settlement.reason) == (grade, reason)
    assert any(words in step.text for step in explanation.steps)
    assert bool(explanation.reason_text) == bool(reason)


def test_missing_readings_are_said_and_not_called_zero(part: EventParticipation) -> None:
    GridEvent.objects.update(settle_at=part.event.ends_at + 24 * HOUR)
    part.event.refresh_from_db()
    explanation = explained(settled(part))

    assert explanation.amount_minor == 0
    assert [step.value for step in explanation.steps if step.title == "Delivered"] == ["not known"]
    assert "corrected" in explanation.grade_text


def test_car_that_left_early_reads_so(part: EventParticipation) -> None:
    PlugSession.objects.update(unplugged_at=part.event.starts_at + HOUR)
    explanation = explained(settled(part, (-5, 0, 0), (5, 0, 0), (125, 0, 0)))

    assert "until it is unplugged at Wed, Nov 18, 7:05\u202fPM CST" in explanation.steps[1].text
    assert explanation.steps[2].value == "11,300"


def test_numbers_are_found_in_text() -> None:
    assert numbers("from 1,000.5 to 2 Wh, at 18:05") == [Decimal("1000.5"), Decimal(2)]


def test_plan_tells_what_care_costs(alice: User, now: datetime) -> None:
    plan = plan_of(nights.plugged_car(alice, now=now).vehicle, now)
    plan.made_from["added_cost"] = {"hedge": 0.124, "shape": 0.03}

    sentences = explain_plan(plan=plan, zone=AUSTIN, now=now)

    assert sentences.endswith(
        "Being ready in case you leave early adds about $0.12 and charging in fewer pieces adds about $0.03 "
        "to this plan."
    )
    plan.made_from["added_cost"] = {"hedge": 0.009, "shape": -0.1}
    assert "adds" not in explain_plan(plan=plan, zone=AUSTIN, now=now)
