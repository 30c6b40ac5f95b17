"""The standing cast of every test: alice owns, bob owns something else, charlie is a stranger, ada is an admin."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import translation

from accounts.models import User
from tests.append_only import let_tests_flush
from tests.sandbox_process import SandboxProcess, start_sandbox
from tests.template_database import copy_template, keep_as_template

let_tests_flush()

LONGEST_NAME = 80
# Strangers, though pages too, are refused on both: that is the one test that opens every page there is.
SHOWN = "admin|views|viewsets|pages|api|languages|queries|mobile|welcome"
SHOWS = re.compile(rf"/test_({SHOWN})\w*\.py$|/(admin|staff)/test_")
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_setup", "django_db_reset_sequences", "live_server"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that a second database would only repeat: they touch none, or look at what is shown of it."""
    for item in items:
        touches = DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())) or item.get_closest_marker("django_db")
        # The journeys start the whole platform as processes of their own, on the database that the environment names.
        if not touches and "journeys" not in item.path.parts:
            item.add_marker(pytest.mark.databaseless)
        if SHOWS.search(item.path.as_posix()):
            item.add_marker(pytest.mark.shows)
    # What takes minutes begins first: begun last, it would keep one core busy alone.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values by their argument: some tell when they were made, and all workers must know a test alike."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST_NAME else None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Begin with a migrated copy where an earlier run left one."""
    test = settings.DATABASES["default"]["TEST"]
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") and copy_template(test["NAME"]):
        test["MIGRATE"] = False


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings: None) -> bool:
    """Do not wipe the copy before its first use; its folder goes with the process."""
    return settings.DATABASES["default"].get("TEST", {}).get("MIGRATE") is False


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Leave a migrated copy for the next run."""
    if connection.vendor == "sqlite":
        with django_db_blocker.unblock():
            keep_as_template(str(connection.settings_dict["NAME"]))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running sandbox, shared by the whole run: whoever needs a known world resets it first."""
    process = start_sandbox(tmp_path_factory)
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Start every test in English: a request leaves its language to its thread, where the next test would find it."""
    yield
    translation.deactivate()


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
