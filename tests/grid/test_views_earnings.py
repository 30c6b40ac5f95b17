"""The earnings page: months, chart, other earnings, what was saved besides, and the tables to take along."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from grid.bars import month_bars
from grid.flows.owners.saving import weigh_due_stays, worth_of
from grid.flows.settlement.paying import pay_due_earnings
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Settlement
from grid.views.months import Month, months_of
from rewards import ledger
from rewards.flows.earnings import save_pay_terms
from rewards.models import Earning, PayTerms
from tests.factories import grid, nights
from tests.factories.rewards import earn
from vehicles.models import PlugSession

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def bonus(alice: User, now: datetime) -> Earning:
    """Alice's enrolment bonus."""
    grid.enrollment(alice, now=now)
    values = {"utility": "lone-star", "currency": "USD", "time_zone": "America/Chicago"}
    save_pay_terms(
        program="evening-relief",
        version=1,
        values=values | {"valid_from_at": now - timedelta(days=300)},
        forms=[{"form": "enrollment_bonus", "amount_minor": 2_500}],
    )
    pay_due_earnings(now=now + HOUR, limit=10)
    return Earning.objects.get()


def test_other_earning_opens_to_its_sum_for_its_owner_alone(
    client: Client, alice: User, charlie: User, bonus: Earning
) -> None:
    client.force_login(alice)
    page = client.get("/earnings/").content.decode()
    assert "Enrolment bonus" in page
    assert "Month by month" in page
    assert "Evening Relief, version 1" in client.get(f"/earnings/{bonus.public_id}/").content.decode()
    (mine,) = client.get("/api/v1/earnings/").json()["results"]
    assert (mine["form"], mine["amount_minor"]) == ("enrollment_bonus", 2_500)
    whole = client.get(f"/api/v1/earnings/{bonus.public_id}/").json()
    assert whole["steps"][-1] == {
        "title": "The bonus", "text": "A fixed amount by the program's terms.", "value": "25.00", "unit": "USD",
    }  # fmt: skip

    client.force_login(charlie)
    assert client.get(f"/earnings/{bonus.public_id}/").status_code == 404
    assert client.get(f"/api/v1/earnings/{bonus.public_id}/").status_code == 404
    assert client.get("/api/v1/earnings/").json()["results"] == []


def test_what_was_credited_before_a_correction_stays_in_the_months_sum(
    client: Client, alice: User, now: datetime
) -> None:
    part = grid.participation(nights.plugged_car(alice, now=now), now=now)
    for revision, amount_minor in ((1, 4_000), (2, 3_600)):
        Settlement.objects.create(
            participation=part, revision=revision, method="m", baseline_wh=amount_minor * 5, net_wh=0,
            delivered_wh=amount_minor * 5, credited_wh=amount_minor * 5, reward_micros_per_kwh=2_000_000,
            amount_minor=amount_minor, currency="USD", grade="measured", created_at=now, evidence={},
        )  # fmt: skip
        post_due_settlements(now=now, limit=10)

    (month,) = months_of(alice)

    assert month.amount_minor == ledger.owner_balance(alice, "USD").posted_minor == 4_000
    client.force_login(alice)
    page = client.get("/earnings/").content.decode()
    assert "$36.00" not in page
    assert "$40.00" in page


def test_statement_is_handed_out_as_a_table(client: Client, alice: User, now: datetime) -> None:
    earn(alice, 1_234, now=now, key="settlement:1")
    client.force_login(alice)
    answer = client.get("/earnings/statement.csv")
    (line,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (line["amount"], line["available_after"], line["currency"]) == ("12.34", "12.34", "USD")


def test_chart_has_a_bar_a_month_and_none_without_money() -> None:
    def month(number: int, amount_minor: int, currency: str = "USD") -> Month:
        return Month(date(2026, number, 1), currency, others=[Earning(amount_minor=amount_minor)])

    months = [month(11, 50), month(9, 100), month(10, 999, "CAD")]
    chart = month_bars(months, currency="USD", today=date(2026, 11, 18))
    assert chart is not None
    assert [(bar.at.month, bar.value, [part.height for part in bar.segments]) for bar in chart.bars] == [
        (9, 100, [100]), (10, 0, []), (11, 50, [50]),
    ]  # fmt: skip
    assert month_bars([], currency="USD", today=date(2026, 11, 18)) is None


def test_first_months_bar_does_not_fill_the_page() -> None:
    first = Month(date(2026, 1, 1), "USD", others=[Earning(amount_minor=50)])
    chart = month_bars([first], currency="USD", today=date(2026, 1, 18))
    assert chart is not None
    assert [(bar.at, bar.value) for bar in chart.bars] == [
        (date(2025, 11, 1), 0), (date(2025, 12, 1), 0), (date(2026, 1, 1), 50),
    ]  # fmt: skip


def steered(owner: User, now: datetime, *, imported_wh: int) -> None:
    """Let a stay of four hours end now, in which the car drew so much in its last hour and nothing before."""
    car = nights.plugged_car(owner, now=now - 4 * HOUR).vehicle
    PlugSession.objects.all().delete()
    nights.stay(car, at=now - 4 * HOUR, soc=80, unplugged_at=now)
    for minutes in range(0, 300, 15):
        hours = max(0.0, min(1.0, minutes / 60 - 3))
        at = now - 4 * HOUR + timedelta(minutes=minutes)
        nights.reading(car, at=at, soc=80, imported_wh=1_000 + round(imported_wh * hours), exported_wh=0)


def test_shifting_to_cheaper_hours_is_worth_the_difference(alice: User) -> None:
    # 10 % of 98 kWh at 0.9 are 10,889 Wh, due at 22:00 and drawn after one o'clock, when energy is half as dear.
    at = datetime(2026, 11, 18, 8, tzinfo=UTC)
    steered(alice, at, imported_wh=10_889)

    assert weigh_due_stays(now=at + HOUR, limit=10) == 1
    assert weigh_due_stays(now=at + HOUR, limit=10) == 0
    worth = worth_of(owner=alice, now=at + HOUR)
    assert worth is not None
    assert (worth.stays, worth.unknown, worth.saved_g) == (1, 0, None)
    assert worth.saved_minor == 65


def test_energy_that_was_not_drawn_is_no_saving(alice: User, now: datetime) -> None:
    steered(alice, now, imported_wh=0)
    weigh_due_stays(now=now + HOUR, limit=10)
    worth = worth_of(owner=alice, now=now + HOUR)
    assert worth is not None
    assert worth.saved_minor == 0


def test_stay_of_which_too_little_was_read_saves_nothing(client: Client, alice: User, now: datetime) -> None:
    car = nights.plugged_car(alice, now=now).vehicle
    PlugSession.objects.filter(vehicle=car).update(unplugged_at=now + 5 * HOUR)
    weigh_due_stays(now=now + 6 * HOUR, limit=10)
    worth = worth_of(owner=alice, now=now + 6 * HOUR)
    assert worth is not None
    assert (worth.saved_minor, worth.stays, worth.unknown) == (0, 0, 1)
    client.force_login(alice)
    assert client.get("/api/v1/worth/").json()[0]["unknown"] == 1
    assert PayTerms.objects.count() == 0
