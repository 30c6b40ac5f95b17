"""Admins find everything and edit nothing."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from rewards import proofs
from rewards.flows.payouts import pay_now
from rewards.models import ChainLink, LedgerAccount, Payout, PayoutAccount, Transfer, WebhookEvent
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db

MODELS = [LedgerAccount, Transfer, ChainLink, PayoutAccount, Payout, WebhookEvent]


@pytest.fixture
def money(alice: User, now: datetime) -> None:
    """One row of everything."""
    payout_account(alice, now=now)
    earn(alice, 250, now=now)
    pay_now(owner=alice, currency="USD", now=now)
    proofs.seal_transfers(limit=10)
    WebhookEvent.objects.create(external_id="evt_1", kind="payout.paid", body="a secret body", received_at=now)


def page(model: type[Any], *rest: object) -> str:
    return "/".join(["/admin/rewards", model._meta.model_name, *map(str, rest)]) + "/"


@pytest.mark.parametrize("model", MODELS)
def test_admin_shows_and_searches(client: Client, ada: User, money: None, model: type[Any]) -> None:
    client.force_login(ada)
    assert client.get(page(model)).status_code == 200
    assert client.get(page(model), {"q": "alice"}).status_code == 200
    shown = client.get(page(model, model.objects.first().pk, "change"))
    assert shown.status_code == 200
    assert "a secret body" not in shown.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_admin_adds_edits_and_deletes_nothing(client: Client, ada: User, money: None, model: type[Any]) -> None:
    client.force_login(ada)
    row = model.objects.first()
    assert client.get(page(model, "add")).status_code == 403
    assert client.get(page(model, row.pk, "delete")).status_code == 403
    assert client.post(page(model, row.pk, "change"), {"amount_minor": 1}).status_code == 403
    client.post(page(model), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})
    assert model.objects.filter(pk=row.pk).exists()


def test_account_page_links_to_its_transfers(client: Client, ada: User, money: None) -> None:
    client.force_login(ada)
    account = LedgerAccount.objects.get(kind="owner_payable")
    listed = client.get(page(Transfer), {"credit__id__exact": account.pk}).content.decode()
    assert "settlement:" in listed
    assert "payout:" not in listed


def act(client: Client, model: type[Any], action: str) -> None:
    row = model.objects.get()
    assert client.post(page(model), {"action": action, "_selected_action": row.pk}).status_code in {200, 302}


def test_admin_pauses_and_resumes_an_owner(client: Client, ada: User, money: None) -> None:
    client.force_login(ada)
    act(client, PayoutAccount, "pause")
    assert PayoutAccount.objects.get().is_paused
    act(client, PayoutAccount, "resume")
    assert not PayoutAccount.objects.get().is_paused


def test_admin_has_a_frozen_payout_looked_up_again(client: Client, ada: User, money: None) -> None:
    client.force_login(ada)
    act(client, Payout, "look_up_again")
    assert Payout.objects.get().state == Payout.State.REQUESTED  # only frozen ones are
    Payout.objects.update(state=Payout.State.FROZEN)
    act(client, Payout, "look_up_again")
    assert Payout.objects.get().state == Payout.State.UNKNOWN


def test_colleague_who_may_only_look_cannot_steer(client: Client, bob: User, money: None) -> None:
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__in=["view_payout", "view_payoutaccount"]))
    client.force_login(bob)
    assert client.get(page(PayoutAccount)).status_code == 200
    act(client, PayoutAccount, "pause")
    assert not PayoutAccount.objects.get().is_paused
