"""One command brings an installation up to date, and may be repeated."""

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from accounts.models import User
from grid.models import Program, UtilityMember

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


def test_prepare_makes_a_utilitys_person_who_can_sign_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBER_PASSWORD", "charge-the-grid")
    for _ in range(2):
        call_command("prepare", "--member=Dana@example.org=Dana=lone-star-power=lead", verbosity=0)
    member = UtilityMember.objects.get()
    assert (member.user.email, member.role, member.utility.slug) == ("dana@example.org", "lead", "lone-star-power")
    assert member.user.check_password("charge-the-grid")
    with pytest.raises(CommandError, match="no utility 'nowhere'"):
        call_command("create_member", "eve@example.org", "nowhere")
