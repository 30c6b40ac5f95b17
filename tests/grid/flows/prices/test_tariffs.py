"""Tariffs version by version: from files and OpenEI's address; what an earlier version said still prices its nights."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from grid.arrays.slots import Slots
from grid.flows.prices.pricebook import PriceBook
from grid.flows.prices.tariffs import UnableToSaveTariff, fetch_tariff, load_tariff, save_tariff
from grid.models import Tariff
from tests.factories import grid as make
from tests.grid.rules.test_urdb import RECORD

pytestmark = pytest.mark.django_db

CHICAGO = ZoneInfo("America/Chicago")
MARCH, NEXT_MARCH = RECORD["startdate"], RECORD["startdate"] + 365 * 86_400


def flat(rate: str, **more: Any) -> dict[str, Any]:
    schedule = [[0] * 24] * 12
    return {
        **RECORD,
        "enddate": None,
        "energyratestructure": [[{"rate": rate}]],
        "energyweekdayschedule": schedule,
        "energyweekendschedule": schedule,
        **more,
    }


def prices(tariff: Tariff, starts_at: datetime, count: int) -> tuple[list[int], list[bool]]:
    known = PriceBook().of(tariff, Slots(starts_at.astimezone(UTC), count))
    return [round(price * 1_000_000) for price in known.imports.tolist()], known.is_guessed.tolist()


def test_night_over_a_change_of_rates_has_both() -> None:
    utility = make.utility()
    load_tariff(record=flat("0.10"), utility=utility, slug="plain")
    loaded = load_tariff(record=flat("0.20", label="b", startdate=NEXT_MARCH), utility=utility, slug="plain")
    assert (Tariff.objects.count(), loaded.tariff.version) == (1, 2)
    assert loaded.tariff.other_versions[0]["valid_until_date"] == "2025-03-01"
    midnight = datetime(2025, 3, 1, tzinfo=CHICAGO)
    assert prices(loaded.tariff, midnight - timedelta(minutes=15), 2) == ([100_000, 200_000], [False, False])
    assert prices(loaded.tariff, midnight - timedelta(days=600), 1) == ([100_000], [True])  # before there was a version


def test_home_pays_the_tier_that_its_own_use_reaches_and_homes_of_a_tier_share_prices() -> None:
    tiers = [[{"rate": 0.10, "max": 500}, {"rate": 0.20, "max": 1000}, {"rate": 0.40}]]
    tariff = load_tariff(record={**flat("0"), "energyratestructure": tiers}, utility=make.utility(), slug="t").tariff
    book, slots = PriceBook(), Slots(datetime(2024, 6, 3, tzinfo=UTC), 4)
    found = [book.of(tariff, slots, month_kwh=used) for used in (0, 499, 500, 999, 1000, 20_000, None)]
    assert [float(one.imports[0]) for one in found] == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.2]
    assert found[0] is found[1]
    assert found[2] is found[3]
    plain = load_tariff(record=flat("0.10"), utility=make.utility(slug="other"), slug="plain").tariff
    assert book.of(plain, slots, month_kwh=5) is book.of(plain, slots)


def test_record_from_the_same_day_corrects_its_version_and_an_older_one_is_refused() -> None:
    utility = make.utility()
    for rate in ("0.10", "0.11"):
        load_tariff(record=flat(rate), utility=utility, slug="plain")
    tariff = Tariff.objects.get()
    assert (tariff.version, tariff.other_versions, tariff.periods[0]["rate"]) == (1, [], 110_000)
    with pytest.raises(UnableToSaveTariff, match="later day already"):
        load_tariff(record=flat("0.1", startdate=MARCH - 86_400), utility=utility, slug="plain")


def test_tariff_past_its_end_keeps_its_price_and_says_that_it_is_a_guess() -> None:
    loaded = load_tariff(record=flat("0.10", enddate=MARCH + 86_400), utility=make.utility())
    ends_at = datetime(2024, 3, 3, tzinfo=CHICAGO)
    assert prices(loaded.tariff, ends_at - timedelta(minutes=15), 2) == ([100_000, 100_000], [False, True])


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"version": 2}, "from which day"),
        ({"version": 2, "valid_from_date": date(2026, 1, 1)}, "begins after that"),
        ({"version": 0}, "has version 1 already"),
        ({"version": 1, "kind": Tariff.Kind.MARKET}, "needs its feed"),
        ({"version": 1, "periods": [{}]}, "Period 1 needs exactly"),
    ],
)
def test_version_that_does_not_fit_changes_nothing(fields: dict[str, Any], complaint: str) -> None:
    tariff = make.tariff(valid_from_date=date(2026, 1, 1))
    with pytest.raises(UnableToSaveTariff, match=complaint):
        save_tariff(utility=tariff.utility, slug=tariff.slug, version=fields.pop("version"), values=fields)
    tariff.refresh_from_db()
    assert (tariff.version, tariff.kind) == (1, "flat")


def test_tariff_of_another_utility_or_currency_is_refused() -> None:
    load_tariff(record=RECORD, utility=make.utility(), slug="plain")
    with pytest.raises(UnableToSaveTariff, match="belongs to"):
        load_tariff(record=RECORD, utility=make.utility("other"), slug="plain")
    with pytest.raises(UnableToSaveTariff, match="United States alone"):
        load_tariff(record=RECORD, utility=make.utility("maple", country="CA"))


@responses.activate
def test_record_comes_from_the_address_with_the_key(settings: Settings) -> None:
    settings.FEEDS = {"openei": {"api_base": "https://openei.test", "api_key": "k"}}
    responses.get("https://openei.test/utility_rates", json={"items": [RECORD]})
    loaded = fetch_tariff(label=RECORD["label"], utility=make.utility())
    assert (loaded.tariff.slug, loaded.tariff.valid_until_date) == (f"urdb-{RECORD['label']}", date(2025, 3, 1))
    assert responses.calls[0].request.params | {"api_key": "k"} == responses.calls[0].request.params  # type: ignore[attr-defined]
    answers: list[Any] = [
        {"items": []},
        {"error": {"code": "API_KEY_INVALID"}},
        {"errors": ["x"]},
        [],
        {"items": ["x"]},
    ]
    for answer in answers:
        responses.replace("GET", "https://openei.test/utility_rates", json=answer)
        with pytest.raises(UnableToSaveTariff, match="OpenEI gave nothing"):
            fetch_tariff(label=RECORD["label"], utility=make.utility())


def test_command_loads_what_it_can_and_names_what_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, utility = tmp_path / "rates.json", make.utility()
    path.write_text(json.dumps({"items": [RECORD, flat("1", label="d", demandratestructure=[[{"rate": 9}]])]}))
    with pytest.raises(CommandError, match="1 of 2 records"):
        call_command("load_tariff", path, utility=utility.slug)
    told = capsys.readouterr()
    assert "E-TOU-X" in told.out
    assert "d: demandratestructure: it charges for power" in told.err
    call_command("load_tariff", path, utility=utility.slug, label=RECORD["label"], slug="plain")
    assert set(Tariff.objects.values_list("slug", flat=True)) == {f"urdb-{RECORD['label']}", "plain"}
    for options in (
        {"utility": "none"},
        {"utility": utility.slug, "label": "x"},
        {"utility": utility.slug, "slug": "s"},
    ):
        with pytest.raises(CommandError):
            call_command("load_tariff", path, **options)
