"""Key rotation: everything readable under the new key alone, nothing lost, nothing undone, cut off or not."""

from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command

from accounts.flows.second_factors import rotate_second_factors
from accounts.models import User
from foundation import rotation
from foundation.rotation import encrypted_columns, rotate_column
from tests.factories import vehicles as make
from vehicles.models import HomePlace, Vehicle, VehicleLink


@pytest.fixture
def keys(settings: Any) -> tuple[str, str]:
    """The old key, in force, and the new one that will be."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    return old, new


@pytest.fixture
def car(keys: tuple[str, str], alice: User, now: datetime) -> Vehicle:
    """A car with tokens, VIN and home, written under the old key."""
    return make.ready_car(alice, now=now)


def rotate(**options: Any) -> str:
    said = StringIO()
    call_command("rotate_keys", stdout=said, **options)
    return said.getvalue()


def test_every_room_with_secrets_is_gone_through() -> None:
    found = {f"{model._meta.label}.{name}" for model, name in encrypted_columns()}
    assert {
        "vehicles.VehicleLink.access_token",
        "vehicles.VehicleLink.refresh_token",
        "vehicles.VehicleLink.secrets",
        "vehicles.LinkAttempt.device_code",
        "vehicles.Vehicle.vin",
        "vehicles.HomePlace.latitude",
        "vehicles.HomeCharger.external_id",
        "rewards.WebhookEvent.body",
    } <= found


def test_old_key_can_be_thrown_away_afterwards(car: Vehicle, keys: tuple[str, str], settings: Any) -> None:
    old, new = keys
    settings.FIELD_ENCRYPTION_KEYS = [new]
    with pytest.raises(InvalidToken):
        Vehicle.objects.get()
    settings.FIELD_ENCRYPTION_KEYS = [new, old]

    said = rotate(batch=1)

    settings.FIELD_ENCRYPTION_KEYS = [new]
    link = VehicleLink.objects.get()
    assert (link.access_token, link.refresh_token, link.secrets) == ("access-one", "refresh-one", "")
    assert Vehicle.objects.get().vin == car.vin
    assert HomePlace.objects.get().latitude == "30.2672"
    assert "VehicleLink.access_token: 1 renewed" in said
    assert "may be removed" in said


def test_second_run_finds_nothing_to_do(car: Vehicle, keys: tuple[str, str], settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [keys[1], keys[0]]
    rotate()
    before = list(VehicleLink.objects.extra(select={"raw": "access_token"}).values_list("raw"))

    assert rotate_column(VehicleLink, "access_token", batch=10) == (0, 0)
    assert list(VehicleLink.objects.extra(select={"raw": "access_token"}).values_list("raw")) == before


def test_run_that_was_cut_off_goes_on_where_it_was(
    car: Vehicle, keys: tuple[str, str], settings: Any, now: datetime
) -> None:
    for _ in range(4):
        make.link(car.owner)
    settings.FIELD_ENCRYPTION_KEYS = [keys[1], keys[0]]
    newest = VehicleLink.objects.order_by("pk").first()
    assert newest is not None
    newest.save()  # one row is under the new key already

    assert rotate_column(VehicleLink, "access_token", batch=2) == (4, 0)
    settings.FIELD_ENCRYPTION_KEYS = [keys[1]]
    assert set(VehicleLink.objects.values_list("access_token", flat=True)) == {"access-one"}


def test_token_refreshed_meanwhile_is_not_undone(
    car: Vehicle, keys: tuple[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [keys[1], keys[0]]
    real = rotation.renewed

    def refresh_in_between(encrypted: str) -> str | None:
        fresh = real(encrypted)
        VehicleLink.objects.update(access_token="access-two")
        return fresh

    monkeypatch.setattr(rotation, "renewed", refresh_in_between)

    assert rotate_column(VehicleLink, "access_token", batch=10) == (0, 0)
    assert VehicleLink.objects.get().access_token == "access-two"


def test_value_under_an_unknown_key_is_named_and_kept(car: Vehicle, keys: tuple[str, str], settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [keys[1]]

    with pytest.raises(CommandError, match="keep the old keys"):
        rotate()

    settings.FIELD_ENCRYPTION_KEYS = [keys[0]]
    assert VehicleLink.objects.get().access_token == "access-one"


def test_second_factors_are_written_anew_too(keys: tuple[str, str], alice: User, settings: Any) -> None:
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(alice)
    before = codes.get_unused_codes()
    settings.FIELD_ENCRYPTION_KEYS = [keys[1], keys[0]]

    assert rotate_second_factors(batch=1) == 2
    assert rotate_second_factors(batch=1) == 0

    settings.FIELD_ENCRYPTION_KEYS = [keys[1]]
    rows = {row.type: row for row in Authenticator.objects.all()}
    assert RecoveryCodes(rows[Authenticator.Type.RECOVERY_CODES]).get_unused_codes() == before
    assert rows[Authenticator.Type.TOTP].wrap() is not None
