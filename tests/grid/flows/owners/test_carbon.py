"""How an owner weighs carbon, what it changes in plans, and what was kept out of the air."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from grid.flows.owners.carbon import UnableToChooseCarbon, carbon_summary, save_carbon_choice, tonight_by_choice
from grid.flows.owners.saving import weigh_due_stays
from grid.flows.plans.planning import plan_due
from grid.models import CarbonChoice, Feed, Plan, PlanningState, SeriesPoint, Site, Tariff
from tests.factories import grid, nights
from vehicles.models import PlugSession

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DIRTY, CLEAN = 800_000, 100_000


def carbon_feed(tariff: Tariff, *, since: datetime) -> Feed:
    """Let the grid be dirty in the first seven hours and clean for two days afterwards."""
    feed = grid.feed(source="watttime", zone="ERCOT", kind=Feed.Kind.MARGINAL_CARBON, attribution="WattTime")
    rows = [(since - 72 * HOUR, since + 7 * HOUR, DIRTY), (since + 7 * HOUR, since + 60 * HOUR, CLEAN)]
    SeriesPoint.objects.bulk_create(
        SeriesPoint(feed=feed, starts_at=starts_at + n * HOUR, ends_at=starts_at + (n + 1) * HOUR,
                    value=value, unit="kg/kWh", issued_at=since - 80 * HOUR)
        for starts_at, ends_at, value in rows for n in range(int((ends_at - starts_at) / HOUR))
    )  # fmt: skip
    tariff.carbon_feed = feed
    tariff.save()
    return feed


@pytest.fixture
def site(alice: User, now: datetime) -> Site:
    """Alice's home: power is half as dear until 06:00, and clean only from 00:05 on."""
    nights.plugged_car(alice, now=now)
    site = Site.objects.get(owner=alice)
    carbon_feed(site.tariff, since=now)
    return site


def test_choice_is_what_the_next_plan_weighs(alice: User, site: Site, now: datetime) -> None:
    plan_due(now=now, limit=10)
    assert Plan.objects.get(is_current=True).problem["carbon_price"] == 0.05
    version = site.version
    changed = save_carbon_choice(owner=alice, choice=CarbonChoice.CARBON, now=now + HOUR)
    assert (changed.carbon_choice, changed.version) == ("carbon", version + 1)
    assert PlanningState.objects.get().due_at <= now + HOUR
    plan_due(now=now + HOUR, limit=10)
    assert Plan.objects.get(is_current=True).problem["carbon_price"] == 2.0
    assert save_carbon_choice(owner=alice, choice="carbon", now=now).version == version + 1


def test_each_stop_says_what_it_makes_of_tonight(alice: User, site: Site, now: datetime) -> None:
    assert [stop.cost_minor for stop in tonight_by_choice(alice)] == [None] * 5
    plan_due(now=now, limit=10)
    stops = tonight_by_choice(alice)
    assert [stop.price_micros for stop in stops] == [0, 50_000, 190_000, 500_000, 2_000_000]
    costs, grams = [stop.cost_minor for stop in stops], [stop.carbon_g for stop in stops]
    assert costs == sorted(costs)  # type: ignore[type-var]  # plans are there
    assert grams == sorted(grams, reverse=True)  # type: ignore[type-var]


def test_choice_needs_a_home_and_a_known_stop(charlie: User, now: datetime) -> None:
    with pytest.raises(UnableToChooseCarbon, match="home first"):
        save_carbon_choice(owner=charlie, choice="carbon", now=now)
    with pytest.raises(UnableToChooseCarbon, match="five stops"):
        save_carbon_choice(owner=charlie, choice="green", now=now)


def test_night_moved_to_cleaner_hours_keeps_the_difference_out_of_the_air(
    alice: User, site: Site, client: Client, charlie: User
) -> None:
    # 10.889 kWh that were due in the first hour, at 0.8 kg, are drawn in the last of nine, at 0.1 kg.
    at = datetime(2026, 11, 19, 8, 5, tzinfo=UTC)
    car = site.owner.vehicles.get()
    PlugSession.objects.all().delete()
    car.readings.all().delete()
    nights.stay(car, at=at - 9 * HOUR, soc=80, unplugged_at=at)
    for quarter in range(37):
        share = max(0, quarter - 32) / 4
        nights.reading(car, at=at - 9 * HOUR + quarter * HOUR / 4, soc=80,
                       imported_wh=1_000 + round(10_889 * share), exported_wh=0)  # fmt: skip
    weigh_due_stays(now=at + HOUR, limit=10)

    summary = carbon_summary(owner=alice)
    assert (summary.source, summary.is_marginal, summary.unknown) == ("WattTime", True, 0)
    (night,) = summary.nights
    assert night.drawn_wh == 10_889
    assert night.drawn_g == pytest.approx(1_089, abs=3)
    assert night.saved_g == pytest.approx(10_889 * 0.7, abs=10)
    assert [month.saved_g for month in summary.months] == [night.saved_g]

    client.force_login(alice)
    whole = client.get("/api/v1/carbon/").json()
    assert (whole["saved_g"], whole["choice"]) == (night.saved_g, "mostly_money")
    changed = client.patch("/api/v1/carbon/choice/", {"choice": "balanced"}, content_type="application/json")
    assert changed.json()["choice"] == "balanced"
    assert client.patch("/api/v1/carbon/choice/", {"choice": "x"}, content_type="application/json").status_code == 400
    client.force_login(charlie)
    assert client.get("/api/v1/carbon/").json()["nights"] == []
    assert client.patch(
        "/api/v1/carbon/choice/", {"choice": "balanced"}, content_type="application/json"
    ).json()["code"] == "no_home"  # fmt: skip


def test_page_tells_choices_at_once_and_tonight_afterwards(
    alice: User, site: Site, client: Client, now: datetime
) -> None:
    plan_due(now=now, limit=10)
    client.force_login(alice)
    assert "Carbon first" in client.get("/carbon/").content.decode()
    part = client.get("/carbon/?part=tonight", headers={"HX-Request": "true"}).content.decode()
    assert "kg" in part
    assert "<html" not in part
    assert client.post("/carbon/", {"stop": "4"})["Location"] == "/carbon/"
    assert Site.objects.get(owner=alice).carbon_choice == "carbon"
    client.post("/carbon/", {"stop": "9"})
    client.post("/carbon/", {})
    assert Site.objects.get(owner=alice).carbon_choice == "carbon"
    assert len(client.get("/api/v1/carbon/tonight/").json()) == 5
