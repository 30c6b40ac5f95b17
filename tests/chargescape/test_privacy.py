"""What owners may take along and make us forget: nothing held about them is left out, and no secret is handed out."""

import csv
import io
import json
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core import mail
from django.db.models import Model
from django.test import Client

from accounts.flows.notices import read_aloud
from accounts.models import Notice, User
from chargescape.closing import close_due_accounts, open_wish
from chargescape.exporting import columns_of, export_token, make_due_exports, open_export, request_export
from chargescape.holdings import DELETED_UNSEEN, HOLDINGS, TOPICS, WITHHELD, fields_of
from chargescape.owner_asks import AccountClosing, DataExport
from foundation import clock
from foundation.fields import EncryptedTextField
from rewards import ledger
from rewards.models import Payout
from tests.factories.rewards import earn
from tests.page_world import SECRET_VIN, World, build_world, stop_clock
from vehicles.models import ChargeReading, HomePlace, VehicleLink

TOKEN = "refresh-me-not"
TOTP = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything, and with secrets."""
    stop_clock(settings, tmp_path, now)
    world = build_world(alice, now=now)
    VehicleLink.objects.update(access_token=TOKEN, refresh_token=TOKEN, secrets=json.dumps({"key": TOKEN}))
    Authenticator.objects.create(user=alice, type="totp", data={"secret": TOTP})
    site = alice.sites.get()
    site.address = "12 Barton Springs Rd"
    site.save()
    return world


def leading_to_users() -> set[type[Model]]:
    """Return every table from which foreign keys lead to a user, however many steps away."""
    found: set[type[Model]] = {User}
    while True:
        more = {
            model
            for model in apps.get_models()
            if model not in found and any(field.related_model in found for field in fields_of(model))
        }
        if not more:
            return found
        found |= more


def test_every_table_that_leads_to_an_owner_is_handed_out_or_withheld_for_a_reason() -> None:
    listed = {holding.label for holding in HOLDINGS} | set(WITHHELD)
    missing = {model._meta.label for model in leading_to_users()} - listed
    assert not missing, f"say in chargescape/holdings.py what becomes of {sorted(missing)}"
    assert {apps.get_model(label)._meta.label for label in listed} == listed
    assert {holding.topic for holding in HOLDINGS} == {topic.slug for topic in TOPICS}
    assert all(reason for reason in WITHHELD.values())
    assert set(DELETED_UNSEEN) <= set(WITHHELD)


def test_every_encrypted_value_is_handed_out_on_purpose_or_not_at_all() -> None:
    for holding in HOLDINGS:
        hidden = {field.name for field in fields_of(holding.model) if isinstance(field, EncryptedTextField)}
        assert hidden == hidden & {*holding.without, *holding.decrypted}, holding.label
        assert not set(holding.without) & set(columns_of(holding)), holding.label


def test_copy_holds_everything_and_no_secret(world: World, now: datetime) -> None:
    request_export(owner=world.owner, now=now)
    assert make_due_exports(now=now, limit=5) == 1
    assert make_due_exports(now=now, limit=5) == 0
    export, content = open_export(export_token(DataExport.objects.get()))
    archive = zipfile.ZipFile(io.BytesIO(content))
    texts = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "\n".join(texts.values())
    for held in (SECRET_VIN, "alice@example.org", "30.26", "-97.74", "12 Barton Springs Rd", "Blue Lightning"):
        assert held in everything, held
    for secret in (TOKEN, TOTP, world.owner.password, world.vehicle.vin_hash, bytes(export.content).decode()[:40]):
        assert secret not in everything, secret
    readings = json.loads(texts["json/vehicles_chargereading.json"])
    assert len(readings) == ChargeReading.objects.count()
    assert readings[0]["vehicle"] == str(world.vehicle.public_id)
    (settlement,) = json.loads(texts["json/grid_settlement.json"])
    assert settlement["evidence"]["event"]
    (plan,) = json.loads(texts["json/grid_plan.json"])
    assert plan["solution"]["power_kw"]
    rows = list(csv.DictReader(io.StringIO(texts["csv/vehicles_chargereading.csv"])))
    assert [row["soc_percent"] for row in rows] == [row["soc_percent"] for row in readings]
    assert "vehicles_chargereading" in texts["README.txt"]
    assert SECRET_VIN not in bytes(DataExport.objects.get().content).decode()


def test_copy_is_asked_for_fetched_and_forgotten(world: World, client: Client, charlie: User, now: datetime) -> None:
    client.force_login(world.owner)
    assert client.post("/privacy/export/")["Location"] == "/privacy/#copy"
    assert "Download" in client.get("/privacy/").content.decode()
    link = f"/privacy/export/{export_token(DataExport.objects.get())}/"
    answer = client.get(link)
    assert answer["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None

    client.force_login(charlie)
    assert client.get(link)["Location"] == "/privacy/"
    assert client.get("/api/v1/exports/").json()["results"] == []
    assert client.get(f"{link[:-3]}xx/")["Location"] == "/privacy/"

    DataExport.objects.update(expires_at=clock.wall())
    make_due_exports(now=now, limit=1)
    assert not DataExport.objects.exists()


def test_owner_is_told_of_a_copy_that_was_made_later(world: World, now: datetime) -> None:
    request_export(owner=world.owner, now=now)
    assert make_due_exports(now=now, limit=1) == 1
    notice = Notice.objects.get(user=world.owner, kind="export_ready")
    assert read_aloud(notice, reader=world.owner).path == "/privacy/"
    quick = request_export(owner=world.owner, now=now)
    assert make_due_exports(now=now, limit=1, only=quick) == 1  # the page itself shows it
    assert Notice.objects.filter(kind="export_ready").count() == 1


def test_app_asks_for_a_copy_and_opens_it_without_signing_in(world: World, client: Client) -> None:
    client.force_login(world.owner)
    made = client.post("/api/v1/exports/")
    assert (made.status_code, made.json()["state"]) == (201, "ready")
    path = made.json()["download_url"].partition("/api/")[2]
    assert client.get("/api/v1/exports/").json()["results"][0]["id"] == made.json()["id"]
    browser = Client()
    assert browser.get(f"/api/{path}")["Content-Type"] == "application/zip"
    assert browser.get(f"/api/{path}", headers={"accept": "application/zip"}).status_code == 200
    stale = browser.get(f"/api/{path}x")
    assert (stale.status_code, stale.json()["code"]) == (409, "link_expired")


def test_wish_to_be_forgotten_waits_for_the_money_and_can_be_taken_back(
    client: Client, alice: User, now: datetime
) -> None:
    earn(alice, 500, now=now)
    client.force_login(alice)
    assert client.post("/account/close/", {"email": alice.email})["Location"] == "/account/close/"
    assert "We still owe you money" in client.get("/account/close/").content.decode()
    assert "is being closed" in client.get("/privacy/").content.decode()
    assert client.get("/api/v1/account/closing/").json()[0]["waiting_for"] == "owed"
    assert client.post("/api/v1/account/closing/withdraw/").status_code == 204
    assert open_wish(alice) is None
    assert client.post("/api/v1/account/closing/withdraw/").json()["code"] == "not_closing"


def test_account_closes_by_itself_once_nothing_is_owed_and_everything_goes(world: World, now: datetime) -> None:
    owner, later = world.owner, now + timedelta(days=2)
    wish = AccountClosing.objects.create(user=owner, requested_at=now, try_at=now)
    assert close_due_accounts(now=now, limit=5) == 0
    wish.refresh_from_db()
    assert (wish.waiting_for, wish.try_at > now) == ("payout_under_way", True)
    assert close_due_accounts(now=now, limit=5) == 0
    money_arrives(owner, later)
    VehicleLink.objects.update(state="revoked")
    assert close_due_accounts(now=later, limit=5) == 1

    (letter,) = [one for one in mail.outbox if "deleted" in one.subject]
    assert letter.to == ["alice@example.org"]
    assert "7 years" in letter.body
    for holding in HOLDINGS:
        if holding.is_deleted:
            assert not holding.of(owner).exists(), holding.label
        for row in holding.of(owner):
            for field in fields_of(holding.model):
                if isinstance(field, EncryptedTextField):
                    assert not getattr(row, field.name), (holding.label, field.name)
    for label in DELETED_UNSEEN:
        assert not apps.get_model(label)._default_manager.exists(), label
    assert not HomePlace.objects.exists()
    owner.refresh_from_db()
    assert (owner.name, owner.is_active) == ("", False)
    assert world.settlement.amount_minor
    assert AccountClosing.objects.get().closed_at == later


def money_arrives(owner: User, at: datetime) -> None:
    """Let the owner's payouts reach the bank."""
    for payout in Payout.objects.filter(account__owner=owner).exclude(state="paid"):
        ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=at)
        Payout.objects.filter(pk=payout.pk).update(state="paid", paid_at=at)
