"""The admin's door: staff with a second factor pass, roles open what their job needs, and every deed leaves a trace."""

from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chargescape.owner_asks import AccountClosing, DataExport
from chargescape.staff import roles
from chargescape.staff.roles import ROLES, make_roles

pytestmark = pytest.mark.django_db


def test_staff_without_a_second_factor_set_one_up_first(client: Client, ada: User, settings: Any) -> None:
    settings.ADMIN_NEEDS_SECOND_FACTOR = True
    client.force_login(ada)
    answer = client.get("/admin/", follow=True)
    assert (
        answer.redirect_chain[-1][0] == reverse("mfa_activate_totp") or "reauthenticate" in answer.redirect_chain[-1][0]
    )

    Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert client.get("/admin/").status_code == 200


def test_owner_is_kept_out_whatever_factor_they_have(client: Client, alice: User, settings: Any) -> None:
    settings.ADMIN_NEEDS_SECOND_FACTOR = True
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403


OPENS = {
    "support": ("accounts_user", "vehicles_vehicle", "grid_settlement"),
    "operations": ("vehicles_makerswitch", "grid_gridevent", "grid_operatorlink"),
    "finance": ("rewards_payout", "rewards_transfer", "rewards_reconciliation"),
    "utility": (),
}
KEEPS_SHUT = {
    "support": ("rewards_transfer", "grid_operatorlink"),
    "operations": ("accounts_user", "rewards_payout", "rewards_transfer"),
    "finance": ("vehicles_vehicle", "vehicles_makerswitch", "grid_enrollment"),
    "utility": ("accounts_user", "vehicles_vehicle", "grid_gridevent", "rewards_payout"),
}


@pytest.mark.parametrize("role", ROLES)
def test_role_opens_what_its_job_needs_and_no_more(client: Client, role: str) -> None:
    make_roles()
    staff = User.objects.create_user("staff@example.com", "x", is_staff=True)
    staff.groups.add(Group.objects.get(name=role))
    client.force_login(staff)
    for model in OPENS[role]:
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200, model
    for model in KEEPS_SHUT[role]:
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 403, model


def test_roles_are_brought_back_to_what_they_should_be() -> None:
    make_roles()
    Group.objects.get(name="finance").permissions.clear()
    make_roles()
    assert Group.objects.get(name="finance").permissions.count() == len(set(ROLES["finance"]))


def test_right_that_is_unknown_is_no_silent_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "ROLES", {"support": ("accounts.view_ghost",)})
    with pytest.raises(LookupError, match="view_ghost"):
        make_roles()
    assert not Group.objects.exists()


def test_admin_of_one_role_is_made_by_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "a-long-and-good-password")
    with pytest.raises(CommandError, match="no role"):
        call_command("create_admin", "fay@example.com", role="finance")
    make_roles()
    call_command("create_admin", "fay@example.com", role="finance")
    fay = User.objects.get(email="fay@example.com")
    assert (fay.is_staff, fay.is_superuser) == (True, False)
    assert fay.has_perm("rewards.view_payout")
    assert not fay.has_perm("vehicles.view_vehicle")


def test_audit_trail_is_shown_and_never_edited(client: Client, ada: User) -> None:
    client.force_login(ada)
    entry = LogEntry.objects.create(user=ada, action_flag=2, object_repr="a payout", change_message="approved")
    assert "a payout" in client.get(reverse("admin:admin_logentry_changelist")).content.decode()
    assert client.post(reverse("admin:admin_logentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse("admin:admin_logentry_change", args=[entry.pk]), {}).status_code == 403


def test_copies_and_closings_are_followed_and_never_opened(
    client: Client, ada: User, alice: User, now: datetime
) -> None:
    client.force_login(ada)
    copy = DataExport.objects.create(user=alice, requested_at=now, expires_at=now, content=b"canary-of-a-copy")
    AccountClosing.objects.create(user=alice, requested_at=now, try_at=now, waiting_for="owed")
    assert "owed" in client.get(reverse("admin:chargescape_accountclosing_changelist")).content.decode()
    for page in ("changelist", "change"):
        address = reverse(f"admin:chargescape_dataexport_{page}", args=[copy.pk] if page == "change" else [])
        answer = client.get(address)
        assert answer.status_code == 200
        assert b"canary" not in answer.content
