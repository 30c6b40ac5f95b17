"""What is said of single dates: kept, refused where it cannot be, taken back; every change outdates the plan."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from vehicles.flows.dated import FURTHEST_AHEAD, add_dated, dated_ahead, remove_dated
from vehicles.flows.preferences import UnableToSavePreference, charge_now, skip_tonight
from vehicles.models import ChargePreference, DatedDeparture, Vehicle

FRIDAY, CHRISTMAS = date(2026, 11, 20), date(2026, 12, 25)


def test_early_friday_is_kept_and_outdates_the_plan(timed_car: Vehicle, now: datetime) -> None:
    before = ChargePreference.objects.get(vehicle=timed_car).version

    row = add_dated(vehicle=timed_car, kind="leaves", first_date=FRIDAY, leaves_at_local=time(5), now=now)

    assert (row.first_date, row.last_date, row.leaves_at_local, row.created_at) == (FRIDAY, FRIDAY, time(5), now)
    saved = ChargePreference.objects.get(vehicle=timed_car)
    assert (saved.version, saved.changed_at) == (before + 1, now)


def test_taking_it_back_lets_the_week_count_again(timed_car: Vehicle, now: datetime) -> None:
    row = add_dated(vehicle=timed_car, kind="stays", first_date=CHRISTMAS, now=now)

    remove_dated(dated=row, now=now)
    remove_dated(dated=row, now=now)

    assert dated_ahead(timed_car, now) == []
    assert ChargePreference.objects.get(vehicle=timed_car).version == 3


def test_days_that_are_over_keep_what_was_said(timed_car: Vehicle, now: datetime) -> None:
    first = date(2026, 11, 18)
    row = add_dated(vehicle=timed_car, kind="away", first_date=first, last_date=first + timedelta(days=9), now=now)
    later = now + timedelta(days=3)

    remove_dated(dated=row, now=later)

    row.refresh_from_db()
    assert row.last_date == date(2026, 11, 20)
    assert dated_ahead(timed_car, later) == []
    remove_dated(dated=row, now=later + timedelta(days=2))
    assert DatedDeparture.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"kind": "flies"}, "kind_unknown", "kind"),
        ({"leaves_at_local": None}, "departure_time_missing", "leaves_at_local"),
        ({"kind": "stays"}, "departure_time_unwanted", "leaves_at_local"),
        ({"leaves_at_local": time(5, 0, 30)}, "departure_not_a_minute", "leaves_at_local"),
        ({"leaves_at_local": time(5, tzinfo=UTC)}, "departure_not_a_minute", "leaves_at_local"),
        ({"last_date": FRIDAY - timedelta(days=1)}, "dates_reversed", "last_date"),
        ({"first_date": date(2026, 11, 17)}, "date_past", "first_date"),
        ({"last_date": date(2026, 11, 18) + FURTHEST_AHEAD + timedelta(days=1)}, "date_too_far", "last_date"),
        ({"first_date": date(2026, 11, 25), "last_date": date(2026, 12, 1)}, "dates_overlap", "first_date"),
    ],
)
def test_what_cannot_be_is_refused(
    change: dict[str, Any], code: str, field: str, timed_car: Vehicle, now: datetime
) -> None:
    add_dated(vehicle=timed_car, kind="stays", first_date=date(2026, 11, 26), now=now)
    wishes: dict[str, Any] = {"kind": "leaves", "first_date": FRIDAY, "leaves_at_local": time(5)}

    with pytest.raises(UnableToSavePreference) as refused:
        add_dated(vehicle=timed_car, now=now, **(wishes | change))

    assert (refused.value.reason_code, refused.value.field) == (code, field)
    assert DatedDeparture.objects.count() == 1


def test_car_that_was_only_offered_has_no_dates(timed_car: Vehicle, now: datetime) -> None:
    timed_car.state = Vehicle.State.OFFERED
    with pytest.raises(UnableToSavePreference, match="does not take part"):
        add_dated(vehicle=timed_car, kind="stays", first_date=CHRISTMAS, now=now)


def test_owners_word_lasts_until_the_dated_departure(timed_car: Vehicle, now: datetime) -> None:
    add_dated(vehicle=timed_car, kind="leaves", first_date=date(2026, 11, 19), leaves_at_local=time(4, 45), now=now)

    assert charge_now(vehicle=timed_car, now=now).ends_at == datetime(2026, 11, 19, 10, 45, tzinfo=UTC)
    assert skip_tonight(vehicle=timed_car, now=now).ends_at == datetime(2026, 11, 19, 10, 45, tzinfo=UTC)
