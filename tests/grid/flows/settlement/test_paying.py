"""What programs pay besides their rate per kWh: due when it is due, once, and to the cent."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from grid.flows.programs.catalogue import UnableToLoad, load_catalogue
from grid.flows.programs.confirming import take_confirmations
from grid.flows.settlement.paying import pay_due_earnings
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Enrollment, EnrollmentConfirmation, EventParticipation, GridEvent, GroupSettlement, Settlement
from rewards import ledger
from rewards.flows.earnings import explain_earning, save_pay_terms
from rewards.models import Earning, PayTerms
from tests.factories import grid, nights
from vehicles.models import PlugSession

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 23, tzinfo=UTC)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SEPTEMBER, OCTOBER = datetime(2026, 9, 10, 23, tzinfo=UTC), datetime(2026, 10, 10, 23, tzinfo=UTC)


def pays(*forms: dict[str, Any], **values: Any) -> PayTerms:
    """Let the program of the tests pay so since long ago."""
    usual = {"utility": "lone-star", "currency": "USD", "time_zone": "America/Chicago"}
    since = {"valid_from_at": datetime(2026, 1, 1, tzinfo=UTC)}
    saved = save_pay_terms(program="evening-relief", version=1, values=usual | since | values, forms=list(forms))
    assert saved is not None
    return saved


def enrolled(owner: User, *, at: datetime) -> Enrollment:
    found = grid.enrollment(owner, now=at)
    Enrollment.objects.filter(pk=found.pk).update(enrolled_at=at)
    found.refresh_from_db()
    return found


def asked(of: Enrollment, *, at: datetime, credited_wh: int | None = None, state: str = "in") -> EventParticipation:
    """Let an event of two hours have asked for the car, settled where something is said to be delivered."""
    event = GridEvent.objects.filter(starts_at=at).first() or grid.event(
        now=at - DAY, starts_at=at, ends_at=at + 2 * HOUR, settle_at=at + 3 * HOUR, state="settled"
    )
    part = grid.participation(of, now=at - DAY, in_event=event)
    EventParticipation.objects.filter(pk=part.pk).update(state=state)
    if credited_wh is not None:
        Settlement.objects.create(
            participation=part, method="m", baseline_wh=credited_wh, net_wh=0, delivered_wh=credited_wh,
            credited_wh=credited_wh, reward_micros_per_kwh=0, amount_minor=0, currency="USD", grade="measured",
            evidence={}, created_at=at + 3 * HOUR,
        )  # fmt: skip
        post_due_settlements(now=at + 3 * HOUR, limit=10)
    return part


def charged(of: Enrollment, *, at: datetime, wh: int) -> None:
    """Let the car have charged at home for four hours, read every hour."""
    PlugSession.objects.create(
        vehicle=of.vehicle, plugged_in_at=at, unplugged_at=at + 4 * HOUR, soc_percent=50, limit_percent=90,
        is_at_home=True,
    )  # fmt: skip
    for hour in range(5):
        nights.reading(of.vehicle, at=at + hour * HOUR, soc=50 + hour, imported_wh=wh * hour // 4, exported_wh=0)


def earned(owner: User) -> int:
    return ledger.owner_balance(owner, "USD").posted_minor


def test_enrolment_bonus_comes_after_its_days_and_once(alice: User, now: datetime) -> None:
    pays({"form": "enrollment_bonus", "amount_minor": 15_000, "after_days": 30})
    enrolled(alice, at=now - 29 * DAY)

    assert pay_due_earnings(now=now, limit=10) == 0
    assert [pay_due_earnings(now=now + DAY, limit=10) for _ in range(2)] == [1, 0]
    assert earned(alice) == 15_000
    assert ledger.check() == []


def test_bonus_is_not_for_who_left_before_and_says_so(alice: User, now: datetime) -> None:
    pays({"form": "enrollment_bonus", "amount_minor": 15_000, "after_days": 30})
    left = enrolled(alice, at=now - 20 * DAY)
    Enrollment.objects.filter(pk=left.pk).update(ended_at=now - DAY)

    assert pay_due_earnings(now=now, limit=10) == 1
    assert earned(alice) == 0
    assert explain_earning(Earning.objects.get()).reason_text == "The car left the program before the bonus was due."


def test_months_pay_by_their_conditions(alice: User, bob: User, now: datetime) -> None:
    pays({"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 0}, {"form": "monthly", "amount_minor": 500})
    loyal, fickle = (enrolled(owner, at=datetime(2026, 9, 15, tzinfo=UTC)) for owner in (alice, bob))
    asked(loyal, at=OCTOBER)
    asked(fickle, at=OCTOBER, state="opted_out")

    # September began before they did; the second form asks for nothing but October itself.
    assert pay_due_earnings(now=now, limit=10) == 8
    assert pay_due_earnings(now=now, limit=10) == 0
    assert (earned(alice), earned(bob)) == (1_500, 500)
    reasons = Earning.objects.filter(owner=bob, period_date=date(2026, 10, 1)).order_by("position")
    assert list(reasons.values_list("reason", flat=True)) == ["too_many_left_out", ""]


def test_event_pays_once_where_enough_was_delivered(alice: User, bob: User, now: datetime) -> None:
    pays({"form": "per_event", "amount_minor": 200, "min_credited_wh": 1_000})
    for owner, credited_wh in ((alice, 1_000), (bob, 999)):
        asked(enrolled(owner, at=SEPTEMBER), at=OCTOBER, credited_wh=credited_wh)

    assert [pay_due_earnings(now=now, limit=10) for _ in range(2)] == [2, 0]
    assert (earned(alice), earned(bob)) == (200, 0)


def test_season_pays_for_the_mean_power_of_its_events(alice: User, now: datetime) -> None:
    pays({"form": "seasonal_capacity", "minor_per_kw": 6_455, "months": [9, 10]})
    car = enrolled(alice, at=SEPTEMBER - DAY)
    asked(car, at=SEPTEMBER, credited_wh=10_000)
    asked(car, at=OCTOBER, credited_wh=5_000)
    asked(car, at=OCTOBER + DAY, state="opted_out")

    assert [pay_due_earnings(now=now, limit=10) for _ in range(2)] == [1, 0]
    assert earned(alice) == round(15 / 6 * 6_455)  # 15 kWh in the six hours that were asked for
    assert Earning.objects.get().period_date == date(2026, 9, 1)


def test_pool_is_shared_without_losing_a_cent(alice: User, bob: User, chloe: User, now: datetime) -> None:
    pays({"form": "pool", "pool_minor": 1_000, "months": [10]})
    for owner in (alice, bob, chloe):
        asked(enrolled(owner, at=SEPTEMBER), at=OCTOBER, credited_wh=7)

    assert [pay_due_earnings(now=now, limit=10) for _ in range(2)] == [3, 0]
    assert sorted(earned(owner) for owner in (alice, bob, chloe)) == [333, 333, 334]
    assert ledger.check() == []


def test_confirmation_that_comes_after_the_car_left_pays_for_nothing(alice: User, now: datetime) -> None:
    pays({"form": "monthly", "amount_minor": 1_000, "months": [10]}, {"form": "enrollment_bonus", "amount_minor": 900})
    left = enrolled(alice, at=SEPTEMBER)
    Enrollment.objects.filter(pk=left.pk).update(ended_at=now - 5 * DAY)
    EnrollmentConfirmation.objects.create(enrollment=left, asked_at=SEPTEMBER)

    answer = f"enrollment_id,account_confirmed\n{left.public_id},yes\n"
    report = take_confirmations(utility=left.program.utility, text=answer, taken_by=None, now=now - DAY)

    assert report.has_left == 1
    pay_due_earnings(now=now, limit=10)
    assert earned(alice) == 0


def test_car_that_leaves_and_joins_again_is_paid_once(alice: User, now: datetime) -> None:
    night = {"weekdays": list(range(7)), "from": "00:00", "to": "08:00"}
    pays(
        {"form": "charging_share", "amount_minor": 1_000, "min_percent": 80, "windows": [night], "months": [10]},
        {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": [night], "most_minor": 70, "months": [10]},
        {"form": "seasonal_capacity", "minor_per_kw": 6_455, "months": [9, 10]},
        {"form": "pool", "pool_minor": 10_000, "most_minor": 600, "months": [10]},
    )
    first = enrolled(alice, at=SEPTEMBER)
    Enrollment.objects.filter(pk=first.pk).update(ended_at=OCTOBER + 2 * DAY)
    again = Enrollment.objects.create(
        program=first.program, vehicle=first.vehicle, site=first.site, enrolled_at=OCTOBER + 3 * DAY
    )
    for of, day in ((first, OCTOBER - 2 * DAY), (again, OCTOBER + 5 * DAY)):
        charged(of, at=day.replace(hour=6), wh=4_000)
        asked(of, at=day, credited_wh=10_000)

    pay_due_earnings(now=now, limit=10)

    paid = Earning.objects.exclude(amount_minor=0).order_by("form")
    assert dict(paid.values_list("form", "amount_minor")) == {
        "charging_rate": 70, "charging_share": 1_000, "pool": 600, "seasonal_capacity": 5 * 6_455,
    }  # fmt: skip
    assert paid.get(form="charging_share").calculation["inputs"]["charged_wh"] == 8_000
    assert set(Earning.objects.values_list("about", flat=True)) == {again.public_id}
    assert [pay_due_earnings(now=now, limit=10), paid.count()] == [0, 4]


def test_month_in_which_the_terms_change_is_paid_once(alice: User, now: datetime) -> None:
    night = {"weekdays": list(range(7)), "from": "00:00", "to": "08:00"}
    monthly = {"form": "monthly", "amount_minor": 1_000, "months": [10]}
    rate: dict[str, Any] = {"form": "charging_rate", "micros_per_kwh": 100_000, "windows": [night], "months": [10]}
    pays(monthly, rate)
    change = datetime(2026, 10, 15, tzinfo=UTC)
    values = {"utility": "lone-star", "currency": "USD", "time_zone": "America/Chicago", "valid_from_at": change}
    forms = [monthly | {"amount_minor": 2_000}, rate | {"micros_per_kwh": 300_000}]
    save_pay_terms(program="evening-relief", version=2, values=values, forms=forms)
    car = enrolled(alice, at=SEPTEMBER)
    grid.terms(car.program, now=now, version=2, valid_from_at=change)
    for day in (OCTOBER, change + 5 * DAY):
        charged(car, at=day.replace(hour=6), wh=4_000)

    assert [pay_due_earnings(now=now, limit=10) for _ in range(2)] == [3, 0]
    paid = Earning.objects.order_by("amount_minor").values_list("form", "amount_minor", "terms__version")
    # The month's amount as it was promised when the month began; each kWh at the rate of its hour.
    assert list(paid) == [("charging_rate", 40, 1), ("charging_rate", 120, 2), ("monthly", 1_000, 1)]


def test_event_of_a_silent_car_is_not_judged_before_it_had_time_to_speak(alice: User, now: datetime) -> None:
    pays({"form": "per_event", "amount_minor": 200})
    part = asked(enrolled(alice, at=SEPTEMBER), at=now - 2 * DAY, credited_wh=0)
    Settlement.objects.update(grade="missing", net_wh=None, delivered_wh=None)
    assert pay_due_earnings(now=now, limit=10) == 0

    Settlement.objects.create(
        participation=part, revision=2, method="m", baseline_wh=5_000, net_wh=0, delivered_wh=5_000,
        credited_wh=5_000, reward_micros_per_kwh=0, amount_minor=0, currency="USD", grade="measured",
        evidence={}, created_at=now, posted_at=now,
    )  # fmt: skip
    assert [pay_due_earnings(now=now, limit=10), earned(alice)] == [1, 200]


def test_pool_and_season_wait_for_results_under_review(alice: User, now: datetime) -> None:
    pays(
        {"form": "pool", "pool_minor": 1_000, "months": [10]},
        {"form": "seasonal_capacity", "minor_per_kw": 1_000, "months": [10]},
    )
    part = asked(enrolled(alice, at=SEPTEMBER), at=OCTOBER, credited_wh=4_000)
    group = GroupSettlement.objects.create(
        event=part.event, method="sum-of-cars", share_rule="equal", delivered_wh=4_000, measured_cars=1,
        estimated_cars=0, rate_micros_per_kwh=0, amount_minor=0, currency="USD", evidence={}, created_at=OCTOBER,
        review=GroupSettlement.Review.DISPUTED, objection_ends_at=OCTOBER + 5 * DAY,
    )  # fmt: skip

    assert pay_due_earnings(now=now, limit=10) == 0
    GroupSettlement.objects.filter(pk=group.pk).update(review=GroupSettlement.Review.LAPSED)
    assert [pay_due_earnings(now=now, limit=10), earned(alice)] == [2, 3_000]


def test_month_waits_until_its_events_are_settled(alice: User) -> None:
    pays({"form": "monthly", "amount_minor": 1_000, "months": [10]})
    enrolled(alice, at=SEPTEMBER)
    assert pay_due_earnings(now=datetime(2026, 11, 2, tzinfo=UTC), limit=10) == 0
    assert pay_due_earnings(now=datetime(2026, 11, 4, tzinfo=UTC), limit=10) == 1


def test_terms_come_from_the_program_file_and_stay_once_used(alice: User, now: datetime) -> None:
    file: dict[str, Any] = {
        "utility": {"slug": "lone-star", "name": "Lone Star", "country": "US", "region": "Texas", "currency": "USD",
                    "time_zone": "America/Chicago", "two_person_limit_kw": 500},
        "programs": [{"slug": "evening-relief", "name": "Evening", "terms": [
            {"version": 1, "valid_from_at": "2026-01-01T00:00:00+00:00", "reward": "2.00", "kinds": ["hold"],
             "minimum_notice_minutes": 0, "max_event_minutes": 240,
             "pay": [{"form": "enrollment_bonus", "amount_minor": 2_500}]}]}],
    }  # fmt: skip
    load_catalogue(file, now=NOW)
    enrolled(alice, at=now - DAY)
    pay_due_earnings(now=now, limit=10)
    assert earned(alice) == 2_500

    file["programs"][0]["terms"][0]["pay"][0]["amount_minor"] = 9_900
    with pytest.raises(UnableToLoad, match="add version 2"):
        load_catalogue(file, now=NOW)
    file["programs"][0]["terms"][0]["pay"] = [{"form": "lottery"}]
    with pytest.raises(UnableToLoad, match="must be one of"):
        load_catalogue(file, now=NOW)
