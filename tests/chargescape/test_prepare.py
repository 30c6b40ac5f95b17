"""One command brings an installation up to date, and may be repeated."""

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from accounts.models import User
from grid.models import Program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "charge-the-grid")


def test_prepare_loads_programs_and_makes_admins_who_can_sign_in_at_once() -> None:
    for _ in range(2):
        call_command("prepare", "--admin=Ada@example.org=Ada", verbosity=0)
    assert Program.objects.exists()
    admin = User.objects.get(is_superuser=True)
    assert (admin.email, admin.name) == ("ada@example.org", "Ada")
    assert EmailAddress.objects.get(user=admin).verified


def test_an_admin_needs_a_good_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "123")
    with pytest.raises(CommandError, match="ADMIN_PASSWORD"):
        call_command("create_admin", "ada@example.org")
    assert not User.objects.exists()
