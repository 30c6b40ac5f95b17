"""Name, country and time zone: the owner's own, within reason."""

from datetime import datetime

import pytest

from accounts.flows.consents import grant_consent
from accounts.flows.profiles import UnableToSaveProfile, save_profile
from accounts.models import Consent, User

pytestmark = pytest.mark.django_db


def test_what_is_given_is_changed_and_the_rest_stays(alice: User) -> None:
    save_profile(user=alice, name="  Alice   Moreno ")
    alice.refresh_from_db()
    assert (alice.name, alice.time_zone, alice.country) == ("Alice Moreno", "America/Chicago", "US")
    save_profile(user=alice, time_zone="America/Denver", country="CA")
    alice.refresh_from_db()
    assert (alice.time_zone, alice.country, alice.currency) == ("America/Denver", "CA", "CAD")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "a" * 121}, "name"),
        ({"time_zone": "Texas"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"country": "MX"}, "country"),
    ],
)
def test_what_cannot_be_is_refused(alice: User, changes: dict[str, str], field: str) -> None:
    with pytest.raises(UnableToSaveProfile) as refused:
        save_profile(user=alice, **changes)
    assert refused.value.field == field
    alice.refresh_from_db()
    assert (alice.name, alice.country, alice.time_zone) == ("Alice", "US", "America/Chicago")


def test_country_is_fixed_once_something_was_agreed_to(alice: User, now: datetime) -> None:
    grant_consent(user=alice, purpose=Consent.Purpose.DATA_USE, now=now)
    with pytest.raises(UnableToSaveProfile) as refused:
        save_profile(user=alice, country="CA")
    assert refused.value.reason_code == "country_fixed"
    assert save_profile(user=alice, country="US", name="A").name == "A"
