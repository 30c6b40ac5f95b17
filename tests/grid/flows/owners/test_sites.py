"""Homes: kept once an owner, refused where something cannot be true."""

from datetime import date, datetime
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from grid.flows.owners.sites import UnableToSaveSite, save_home
from grid.models import Site
from tests.factories import grid as make

pytestmark = pytest.mark.django_db


def wishes(**changes: Any) -> dict[str, Any]:
    return {
        "address": "1100 Congress  Ave, Austin",
        "postal_code_prefix": "78701",
        "time_zone": "America/Chicago",
        "tariff": make.tariff(),
        "evse_max_charge_w": 11_500,
        "is_evse_bidirectional": True,
        "has_export_permission": True,
        "export_limit_w": 9_600,
        "export_permission_ends_on_date": None,
    } | changes


def test_home_is_kept(alice: User, now: datetime) -> None:
    site = save_home(owner=alice, **wishes(), now=now)
    assert (site.owner, site.address, site.postal_code_prefix) == (alice, "1100 Congress Ave, Austin", "78701")
    assert (site.evse_max_charge_w, site.export_limit_w, site.version) == (11_500, 9_600, 1)


def test_change_keeps_the_one_home_and_grows_its_version(alice: User, now: datetime) -> None:
    first = save_home(owner=alice, **wishes(), now=now)
    second = save_home(owner=alice, **wishes(evse_max_charge_w=7_700), now=now)
    assert (first.pk, second.version, second.evse_max_charge_w) == (second.pk, 2, 7_700)
    assert Site.objects.count() == 1


def test_saving_the_same_again_changes_nothing(alice: User, now: datetime) -> None:
    save_home(owner=alice, **wishes(), now=now)
    assert save_home(owner=alice, **wishes(), now=now).version == 1


def test_own_use_is_optional_and_makes_plans_anew(alice: User, now: datetime) -> None:
    site = save_home(owner=alice, **wishes(), now=now)
    assert site.month_kwh is None
    assert save_home(owner=alice, **wishes(month_kwh=620), now=now).version == site.version + 1
    with pytest.raises(UnableToSaveSite) as refused:
        save_home(owner=alice, **wishes(month_kwh=20_001), now=now)
    assert (refused.value.reason_code, refused.value.field) == ("month_use_implausible", "month_kwh")


def test_limit_without_permission_is_dropped(alice: User, now: datetime) -> None:
    site = save_home(owner=alice, **wishes(has_export_permission=False), now=now)
    assert (site.export_limit_w, site.export_permission_ends_on_date) == (0, None)


@pytest.mark.parametrize("typed", ["M5H 2N2", "m5h", "M5H"])
def test_canadian_postal_code_is_cut_to_its_area(chloe: User, now: datetime, typed: str) -> None:
    maple = make.tariff(make.utility("maple", country="CA"), slug="maple")
    site = save_home(owner=chloe, **wishes(tariff=maple, postal_code_prefix=typed), now=now)
    assert site.postal_code_prefix == "M5H"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"time_zone": "Texas"}, "unknown_time_zone", "time_zone"),
        ({"time_zone": "../etc/passwd"}, "unknown_time_zone", "time_zone"),
        ({"time_zone": "localtime"}, "unknown_time_zone", "time_zone"),  # another one on each machine
        ({"evse_max_charge_w": 999}, "evse_power_implausible", "evse_max_charge_w"),
        ({"evse_max_charge_w": 25_001}, "evse_power_implausible", "evse_max_charge_w"),
        ({"is_evse_bidirectional": False}, "export_needs_bidirectional_evse", "has_export_permission"),
        ({"export_limit_w": 0}, "export_limit_implausible", "export_limit_w"),
        ({"export_limit_w": 25_001}, "export_limit_implausible", "export_limit_w"),
        (
            {"export_permission_ends_on_date": date(2026, 11, 17)},
            "export_permission_over",
            "export_permission_ends_on_date",
        ),
        ({"postal_code_prefix": "M5H"}, "postal_code_unreadable", "postal_code_prefix"),
        ({"postal_code_prefix": "7870"}, "postal_code_unreadable", "postal_code_prefix"),
        ({"postal_code_prefix": ""}, "postal_code_unreadable", "postal_code_prefix"),
    ],
)
def test_home_that_cannot_be_true_is_refused(
    alice: User, now: datetime, changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(UnableToSaveSite) as refused:
        save_home(owner=alice, **wishes(**changes), now=now)
    assert (refused.value.reason_code, refused.value.field) == (code, field)
    assert not Site.objects.exists()


def test_agreement_that_ends_today_still_counts(alice: User, now: datetime) -> None:
    today = date(2026, 11, 18)
    site = save_home(owner=alice, **wishes(export_permission_ends_on_date=today), now=now)
    assert site.export_permission_ends_on_date == today


def test_utility_of_another_country_is_refused(chloe: User, now: datetime) -> None:
    with pytest.raises(UnableToSaveSite, match="another country") as refused:
        save_home(owner=chloe, **wishes(), now=now)
    assert refused.value.field == "tariff"


def test_utility_is_not_left_while_a_car_is_in_its_program(alice: User, now: datetime) -> None:
    enrolled = make.enrollment(alice, now=now)
    elsewhere = make.tariff(make.utility("other-power"), slug="other")
    with pytest.raises(UnableToSaveSite, match="Leave the program first"):
        save_home(owner=alice, **wishes(tariff=elsewhere), now=now)
    enrolled.site.refresh_from_db()
    assert enrolled.site.tariff != elsewhere


def test_address_is_encrypted_at_rest(alice: User, now: datetime) -> None:
    save_home(owner=alice, **wishes(), now=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM grid_site")
        assert "Congress" not in cursor.fetchone()[0]
