"""Uploading a series in the admin: checked, read, loaded by who may, written down, downloaded without formulas."""

from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chargescape.staff.roles import make_roles
from grid.models import SeriesPoint, SeriesUpload
from tests.factories import grid as make
from tests.grid.flows.prices.test_uploads import BODY

pytestmark = pytest.mark.django_db

ADD, LIST = "/admin/grid/seriesupload/add/", "/admin/grid/seriesupload/"


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> Any:
    with time_machine.travel(now, tick=False):
        yield


@pytest.fixture
def desk(client: Client, bob: User) -> Client:
    """Bob, who runs the fleet and is no superuser."""
    make_roles()
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.groups.add(Group.objects.get(name="operations"))
    client.force_login(bob)
    return client


def form(body: bytes = BODY, **more: str) -> dict[str, Any]:
    return {"feed": str(make.feed().pk), "file": SimpleUploadedFile("prices.csv", body), "time_zone": "", **more}


def test_file_is_checked_shown_and_loaded_by_operations(desk: Client) -> None:
    assert desk.get(ADD).status_code == 200
    page = desk.post(ADD, form(), follow=True).content.decode()
    upload = SeriesUpload.objects.get()
    assert all(word in page for word in ("Value is no number", "Above 1 USD/kWh", "Load 3 good rows"))
    assert not SeriesPoint.objects.exists()
    page = desk.post(reverse("admin:grid_seriesupload_load", args=[upload.pk]), follow=True).content.decode()
    assert "Loaded: 3 values were new." in page
    assert "good rows" not in page
    assert SeriesPoint.objects.count() == 3
    again = desk.post(reverse("admin:grid_seriesupload_load", args=[upload.pk]), follow=True).content.decode()
    assert "It is loaded already." in again
    trail = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert trail == [f"Uploaded for {upload.feed}, sha256 {upload.sha256}.", "Loaded: 3 values were new."]
    assert "prices.csv" in desk.get(LIST).content.decode()


def test_file_can_be_discarded_by_a_button_alone(desk: Client) -> None:
    desk.post(ADD, form())
    address = reverse("admin:grid_seriesupload_discard", args=[SeriesUpload.objects.get().pk])
    assert desk.get(address).status_code == 405
    desk.post(address)
    assert SeriesUpload.objects.get().state == "discarded"


def test_report_is_a_table_without_formulas(desk: Client) -> None:
    desk.post(ADD, form(BODY + b"=cmd|' /C calc'!A0\n<script>,\x00\n"))
    upload = SeriesUpload.objects.get()
    table = desk.get(reverse("admin:grid_seriesupload_report", args=[upload.pk]))
    assert "attachment" in table["Content-Disposition"]
    assert "6,bad,not as many cells as the header (4),'=cmd" in table.content.decode()
    page = desk.get(reverse("admin:grid_seriesupload_change", args=[upload.pk])).content.decode()
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("body", "more", "complaint"),
    [
        (b"a,b\n", {}, "The first line names the columns"),
        (b"", {}, "empty"),
        (BODY, {"feed": "0"}, "Select a valid choice"),
        (BODY, {"time_zone": "Mars/Olympus"}, "Select a valid choice"),
    ],
)
def test_file_that_is_no_series_says_what_to_do(
    desk: Client, body: bytes, more: dict[str, str], complaint: str
) -> None:
    assert complaint in desk.post(ADD, form(body, **more)).content.decode()
    assert not SeriesUpload.objects.exists()


def test_support_neither_uploads_nor_loads(desk: Client, bob: User) -> None:
    desk.post(ADD, form())
    upload = SeriesUpload.objects.get()
    bob.groups.set(Group.objects.filter(name="support"))
    for name in ("load", "discard", "report", "change"):
        address = reverse(f"admin:grid_seriesupload_{name}", args=[upload.pk])
        answer = desk.post(address) if name in {"load", "discard"} else desk.get(address)
        assert answer.status_code == 403, name
    assert desk.post(ADD, form()).status_code == 403
    assert desk.get("/admin/grid/seriesupload/999/change/").status_code == 404
