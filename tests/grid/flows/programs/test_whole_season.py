"""A made-up program of every form of pay, loaded from a file and run for a season without a line of code of its own."""

import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from grid.flows.events.events import UnableToSaveEvent, create_event
from grid.flows.programs.catalogue import load_catalogue
from grid.flows.programs.enrollment import enroll_vehicle
from grid.flows.settlement.paying import pay_due_earnings
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Enrollment, Program, ProgramTerms, Settlement
from rewards import ledger
from rewards.flows.earnings import explain_earning
from rewards.models import Earning
from rewards.payforms import FORMS
from tests.factories import grid, nights

pytestmark = pytest.mark.django_db

# The verifier stands alone: it is a script, and no room of the house.
pay_minor = runpy.run_path(str(Path(__file__).parents[4] / "proof" / "verify.py"))["pay_minor"]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EVENINGS = {"weekdays": [0, 1, 2, 3, 4], "from": "17:00", "to": "21:00"}
NIGHTS = [{"weekdays": list(range(7)), "from": "00:00", "to": "08:00"}]
PAY = [
    {"form": "enrollment_bonus", "amount_minor": 2_500, "after_days": 90},
    {"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 0, "months": [6, 7]},
    {"form": "per_event", "amount_minor": 200, "min_credited_wh": 5_000},
    {"form": "seasonal_capacity", "minor_per_kw": 700, "months": [6, 7]},
    {"form": "season_bonus", "amount_minor": 3_500, "months": [6, 7], "min_joined_percent": 50},
    {"form": "pool", "pool_minor": 5_000, "months": [6], "most_minor": 4_000},
    {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": NIGHTS, "months": [7]},
    {"form": "charging_share", "amount_minor": 1_000, "min_percent": 80, "windows": NIGHTS, "months": [7]},
]
FILE: dict[str, Any] = {
    "utility": {"slug": "lone-star", "name": "Lone Star", "country": "US", "region": "Texas", "currency": "USD",
                "time_zone": "America/Chicago", "two_person_limit_kw": 500},
    "programs": [{"slug": "made-up", "name": "Made Up", "terms": [{
        "version": 1, "valid_from_at": "2026-01-01T00:00:00-06:00", "reward": "0.50", "kinds": ["hold"],
        "minimum_notice_minutes": 60, "max_event_minutes": 240, "season_months": [6, 7], "windows": [EVENINGS],
        "max_events_per_season": 3, "max_events_per_day": 1, "pay": PAY,
    }]}],
}  # fmt: skip


def happens(of: ProgramTerms, car: Enrollment, at: datetime, *, credited_wh: int | None) -> None:
    """Let an event of two hours happen that the car joined, or left out where nothing was credited."""
    event = create_event(
        terms=of, kind="hold", starts_at=at, ends_at=at + 2 * HOUR, target_w=9, created_by=None, now=at - DAY
    )
    part = grid.participation(car, now=at - DAY, in_event=event)
    if credited_wh is None:
        type(part).objects.filter(pk=part.pk).update(state="opted_out")
        return
    type(event).objects.filter(pk=event.pk).update(state="settled")
    Settlement.objects.create(
        participation=part, method="m", baseline_wh=credited_wh, net_wh=0, delivered_wh=credited_wh,
        credited_wh=credited_wh, reward_micros_per_kwh=0, amount_minor=0, currency="USD", grade="measured",
        evidence={}, created_at=at + 3 * HOUR,
    )  # fmt: skip
    post_due_settlements(now=at + 3 * HOUR, limit=10)


def test_made_up_program_runs_a_season(alice: User) -> None:
    joined_at = datetime(2026, 5, 10, tzinfo=UTC)
    load_catalogue(FILE, now=joined_at)
    grid.home(alice, now=joined_at)
    grid.agree(alice, now=joined_at)
    car = enroll_vehicle(vehicle=grid.car(alice, now=joined_at), program=Program.objects.get(), now=joined_at)
    of = ProgramTerms.objects.get()
    happens(of, car, datetime(2026, 6, 10, 22, tzinfo=UTC), credited_wh=10_000)  # 17:00 in Chicago
    happens(of, car, datetime(2026, 6, 24, 22, tzinfo=UTC), credited_wh=4_000)
    happens(of, car, datetime(2026, 7, 8, 22, tzinfo=UTC), credited_wh=None)
    with pytest.raises(UnableToSaveEvent, match="allows 3 events a season"):
        happens(of, car, datetime(2026, 7, 15, 22, tzinfo=UTC), credited_wh=None)
    # A night in July: 2 kWh before midnight, 12 kWh after it.
    begins = datetime(2026, 7, 20, 3, tzinfo=UTC)
    nights.stay(car.vehicle, at=begins, soc=40, unplugged_at=begins + 9 * HOUR)
    for hours, wh in ((0, 0), (1, 1_000), (2, 2_000), (4, 8_000), (6, 14_000), (9, 14_000)):
        for minutes in (-1, 1):  # a reading on both sides of each edge
            at = begins + hours * HOUR + timedelta(minutes=minutes)
            nights.reading(car.vehicle, at=at, soc=40 + wh / 1000, imported_wh=wh, exported_wh=0)

    after = datetime(2026, 8, 20, tzinfo=UTC)
    pay_due_earnings(now=after, limit=10)
    assert pay_due_earnings(now=after, limit=10) == 0
    paid = {
        (one.form, f"{one.period_date:%m-%d}"): (one.amount_minor, one.reason)
        for one in Earning.objects.exclude(form="pool", amount_minor=0)
    }
    assert paid == {
        ("enrollment_bonus", "05-09"): (2_500, ""),
        ("monthly", "06-01"): (1_000, ""),
        ("monthly", "07-01"): (0, "too_many_left_out"),
        ("per_event", "06-10"): (200, ""),
        ("per_event", "06-24"): (0, "too_little_delivered"),
        ("seasonal_capacity", "06-01"): (round(14 / 6 * 700), ""),
        ("season_bonus", "06-01"): (3_500, ""),
        ("pool", "06-01"): (4_000, ""),
        ("charging_rate", "07-01"): (120, ""),
        ("charging_share", "07-01"): (1_000, ""),
    }
    assert {form for form, _ in paid} == set(FORMS)
    for one in Earning.objects.all():  # anybody comes to the same sum
        assert pay_minor(one.calculation) == one.amount_minor
        assert explain_earning(one).steps
    assert ledger.check() == []


def test_next_version_ends_what_the_one_before_pays(alice: User) -> None:
    joined_at = datetime(2026, 5, 10, tzinfo=UTC)
    first = FILE["programs"][0]["terms"][0] | {"pay": [{"form": "monthly", "amount_minor": 1_000}]}
    second = first | {"version": 2, "valid_from_at": "2026-07-01T00:00:00-05:00", "pay": []}
    third = second | {"version": 3, "valid_from_at": "2026-08-01T00:00:00-05:00"}
    third["pay"] = [{"form": "monthly", "amount_minor": 300}]
    load_catalogue(FILE | {"programs": [FILE["programs"][0] | {"terms": [first, second, third]}]}, now=joined_at)
    grid.home(alice, now=joined_at)
    grid.agree(alice, now=joined_at)
    enroll_vehicle(vehicle=grid.car(alice, now=joined_at), program=Program.objects.get(), now=joined_at)
    pay_due_earnings(now=datetime(2026, 9, 5, tzinfo=UTC), limit=10)
    paid = Earning.objects.order_by("period_date").values_list("period_date__month", "amount_minor")
    assert list(paid) == [(6, 1_000), (8, 300)]
