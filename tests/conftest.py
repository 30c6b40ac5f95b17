"""The standing cast of every test: alice owns, bob owns something else, charlie is a stranger, ada is an admin."""

from datetime import UTC, datetime

import pytest

from accounts.models import User
from tests.append_only import let_tests_flush

let_tests_flush()


@pytest.fixture
def now() -> datetime:
    """A Wednesday evening, 17:05 in Austin."""
    return datetime(2026, 11, 18, 23, 5, tzinfo=UTC)


@pytest.fixture
def alice(db: None) -> User:
    """An owner in Texas."""
    return User.objects.create_user("alice@example.org", "charge-the-grid", name="Alice", time_zone="America/Chicago")


@pytest.fixture
def bob(db: None) -> User:
    """Another owner in Texas."""
    return User.objects.create_user("bob@example.org", "charge-the-grid", name="Bob", time_zone="America/Chicago")


@pytest.fixture
def chloe(db: None) -> User:
    """An owner in Canada."""
    return User.objects.create_user(
        "chloe@example.org", "charge-the-grid", name="Chloé", country="CA", time_zone="America/Toronto"
    )


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger: signed in, owns nothing."""
    return User.objects.create_user("charlie@example.org", "charge-the-grid", name="Charlie")


@pytest.fixture
def ada(db: None) -> User:
    """An admin."""
    return User.objects.create_superuser("ada@example.org", "charge-the-grid", name="Ada")
