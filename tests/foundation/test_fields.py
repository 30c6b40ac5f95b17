"""Encrypted text: unreadable in the database, readable through any of our keys, never silently wrong."""

from datetime import datetime

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from foundation.fields import EncryptedTextField, cipher, keyed_hash
from grid.models import Site, Tariff, Utility


@pytest.fixture
def home(alice: User, now: datetime) -> Site:
    utility = Utility.objects.create(
        slug="u", name="U", country="US", region="TX", currency="USD", time_zone="America/Chicago"
    )
    tariff = Tariff.objects.create(utility=utility, slug="t", name="T", kind="flat")
    return Site.objects.create(
        owner=alice,
        address="12 Canary Lane",
        time_zone="America/Chicago",
        tariff=tariff,
        evse_max_charge_w=9600,
        created_at=now,
    )


def raw_address(site: Site) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM grid_site WHERE id = %s", [site.pk])
        return str(cursor.fetchone()[0])


def test_the_database_holds_no_plain_text(home: Site) -> None:
    assert "Canary" not in raw_address(home)
    assert Site.objects.get(pk=home.pk).address == "12 Canary Lane"


def test_a_new_key_still_reads_what_the_old_one_wrote(home: Site, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    assert Site.objects.get(pk=home.pk).address == "12 Canary Lane"


def test_a_foreign_key_raises_instead_of_returning_ciphertext(home: Site, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(InvalidToken):
        Site.objects.get(pk=home.pk)


def test_searching_an_encrypted_field_is_refused(home: Site) -> None:
    with pytest.raises(TypeError, match="keyed hash"):
        Site.objects.filter(address="12 Canary Lane").exists()


@given(text=st.text(max_size=200))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    field = EncryptedTextField()
    stored = field.get_prep_value(text)
    assert field.from_db_value(stored) == text


def test_a_keyed_hash_finds_equal_values_and_depends_on_the_key(settings: Settings) -> None:
    first = keyed_hash("1FTVW1EL0PWG00001")
    assert first == keyed_hash("1FTVW1EL0PWG00001")
    settings.FIELD_HASH_KEY = "another"
    assert keyed_hash("1FTVW1EL0PWG00001") != first


def test_the_cipher_uses_the_newest_key_first(settings: Settings) -> None:
    newest = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [newest, *settings.FIELD_ENCRYPTION_KEYS]
    assert Fernet(newest).decrypt(cipher().encrypt(b"x")) == b"x"
