"""Accounts in the admin: receipts and notices are read, rights are a superuser's to give."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.flows.consents import grant_consent
from accounts.flows.notices import notify
from accounts.models import Consent, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, ada: User, alice: User, now: datetime) -> Client:
    grant_consent(user=alice, purpose="data_use", now=now)
    notify(user=alice, kind="enrolled", key="k", params={}, now=now)
    client.force_login(ada)
    return client


@pytest.mark.parametrize("model", ["user", "consent", "notice"])
def test_list_and_row_open(desk: Client, model: str) -> None:
    page = desk.get(reverse(f"admin:accounts_{model}_changelist"), {"q": "alice"})
    row = page.context["cl"].queryset.first()
    assert desk.get(reverse(f"admin:accounts_{model}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", ["user", "consent", "notice"])
def test_nothing_is_added_or_deleted(desk: Client, model: str) -> None:
    row = desk.get(reverse(f"admin:accounts_{model}_changelist")).context["cl"].queryset.first()
    assert desk.get(reverse(f"admin:accounts_{model}_add")).status_code == 403
    answer = desk.post(reverse(f"admin:accounts_{model}_delete", args=[row.pk]), {"post": "yes"})
    assert answer.status_code == 403


def test_receipt_is_not_edited(desk: Client) -> None:
    receipt = Consent.objects.get()
    address = reverse("admin:accounts_consent_change", args=[receipt.pk])
    assert desk.post(address, {"version": "forged"}).status_code == 403


def test_password_is_not_shown(desk: Client, alice: User) -> None:
    page = desk.get(reverse("admin:accounts_user_change", args=[alice.pk])).content.decode()
    assert alice.password not in page


def test_staff_without_superuser_cannot_hand_out_rights(client: Client, alice: User) -> None:
    helper = User.objects.create_user("helper@example.org", "charge-the-grid", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="change_user"))
    client.force_login(helper)
    wishes = {"name": "Alice", "country": "US", "time_zone": "America/Chicago", "is_active": "on"}
    for user in (alice, helper):
        address = reverse("admin:accounts_user_change", args=[user.pk])
        client.post(address, wishes | {"is_staff": "on", "is_superuser": "on"})
        user.refresh_from_db()
    assert (alice.is_staff, helper.is_superuser) == (False, False)
