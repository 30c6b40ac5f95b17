"""Tariffs in the admin: a new version keeps the one before, files of OpenEI's database load or say why not."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from grid.models import Tariff
from tests.factories import grid as make
from tests.grid.rules.test_urdb import RECORD

pytestmark = pytest.mark.django_db

LOAD = "/admin/grid/tariff/load/"


@pytest.fixture
def desk(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def typed(tariff: Tariff, **changes: str) -> dict[str, str]:
    return {
        "utility": str(tariff.utility_id),
        "slug": tariff.slug,
        "name": tariff.name,
        "kind": "flat",
        "flat_rate_micros_per_kwh": "0.15",
        "delivery_micros_per_kwh": "0",
        "export_rate_micros_per_kwh": "0",
        "periods": "[]",
        "holidays": "[]",
    } | changes


def test_higher_version_keeps_the_one_before(desk: Client) -> None:
    tariff = make.tariff()
    address = reverse("admin:grid_tariff_change", args=[tariff.pk])
    assert "says from which day" in desk.post(address, typed(tariff, version="2")).content.decode()
    desk.post(address, typed(tariff, version="2", valid_from_date="2026-12-01"))
    tariff.refresh_from_db()
    assert (tariff.version, tariff.flat_rate_micros_per_kwh, tariff.month_kwh) == (2, 150_000, 900)
    (before,) = tariff.other_versions
    assert (before["version"], before["flat"], before["valid_until_date"]) == (1, 120_000, "2026-12-01")
    assert "1: always to 2026-12-01" in desk.get(address).content.decode()
    assert "Version 2 is there already" in desk.post(address, typed(tariff, version="1")).content.decode()


def test_holidays_are_checked(desk: Client) -> None:
    tariff = make.tariff()
    page = desk.post(reverse("admin:grid_tariff_change", args=[tariff.pk]), typed(tariff, holidays='["25.12."]'))
    assert "is no date" in page.content.decode()


def upload(content: object, **more: Any) -> dict[str, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"utility": str(make.utility().pk), "file": SimpleUploadedFile("rates.json", body), **more}


def test_file_loads_and_names_what_it_cannot_price(desk: Client) -> None:
    assert LOAD in desk.get(reverse("admin:grid_tariff_changelist")).content.decode()
    assert desk.get(LOAD).status_code == 200
    refused = RECORD | {"label": "b", "demandratestructure": [[{"rate": 9}]]}
    page = desk.post(LOAD, upload({"items": [RECORD, refused]}), follow=True).content.decode()
    assert "E-TOU-X: Loaded version 1" in page
    assert "B: demandratestructure: it charges for power" in page
    assert Tariff.objects.get().utility == make.utility()
    assert LogEntry.objects.get().change_message.startswith("Loaded version 1")


@pytest.mark.parametrize(
    ("content", "more", "complaint"),
    [
        (b"{", {}, "no JSON"),
        (b"\xff\xfe", {}, "no JSON"),
        (b"[" * 100_000, {}, "no JSON"),
        ("text", {}, "holds 0"),
        ([RECORD], {"label": "x"}, "holds 0"),
        ([RECORD, RECORD], {"slug": "plain"}, "name the label"),
    ],
)
def test_file_that_holds_no_record_says_so(desk: Client, content: object, more: dict[str, str], complaint: str) -> None:
    assert complaint in desk.post(LOAD, upload(content, **more)).content.decode()
    assert not Tariff.objects.exists()


def test_only_who_may_change_tariffs_loads_them(client: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    client.force_login(alice)
    assert client.post(LOAD, upload([RECORD])).status_code == 403
