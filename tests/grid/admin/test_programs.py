"""Programs loaded from files, terms checked as files are, and the enrolment file, in the admin."""

import json
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from grid.models import EnrollmentConfirmation, Program, ProgramTerms
from tests.factories import grid as make
from tests.grid.flows.programs.test_catalogue import record
from tests.grid.flows.programs.test_confirming import asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(ada: User, client: Client) -> Client:
    client.force_login(ada)
    return client


def upload(text: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("file", text.encode() if isinstance(text, str) else json.dumps(text).encode())


def test_file_is_tried_out_before_it_is_loaded(desk: Client) -> None:
    page = desk.post("/admin/grid/program/load/", {"file": upload(record()), "is_trial": "on"})
    assert "p: new terms v1" in page.content.decode()
    assert not Program.objects.exists()
    assert desk.post("/admin/grid/program/load/", {"file": upload(record())}).status_code == 302
    assert Program.objects.get().slug == "p"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "This is no JSON"), ("[]", "must hold one utility"), (record(terms__colour="red"), "knows no `colour`")],
)
def test_file_that_is_wrong_says_why(desk: Client, text: object, complaint: str) -> None:
    assert complaint in desk.post("/admin/grid/program/load/", {"file": upload(text)}).content.decode()


def test_admin_sees_what_each_version_changed(desk: Client, now: datetime) -> None:
    of = make.terms(now=now).program
    make.terms(of, now=now, version=2, reward_micros_per_kwh=1_000_000)
    page = desk.get(f"/admin/grid/program/{of.pk}/change/").content.decode()
    assert "$2.00 per kWh → $1.00 per kWh" in page


def test_rules_typed_in_the_admin_are_checked_like_a_files(desk: Client, now: datetime) -> None:
    terms = make.terms(now=now)
    form = {
        "utility": terms.program.utility_id, "slug": terms.program.slug, "name": "N", "status": "open", "groups": "[]",
        "terms-TOTAL_FORMS": 1, "terms-INITIAL_FORMS": 1, "terms-2-TOTAL_FORMS": 0, "terms-2-INITIAL_FORMS": 0,
        "terms-0-id": terms.pk, "terms-0-program": terms.program_id, "terms-0-version": 1, "terms-0-kinds": "hold",
        "terms-0-valid_from_at_0": "2026-01-01", "terms-0-valid_from_at_1": "00:00",
        "terms-0-reward_micros_per_kwh": "2", "terms-0-minimum_notice_minutes": 0, "terms-0-max_event_minutes": 60,
        "terms-0-eligibility": '{"wheels": 4}', "terms-0-settles": "car", "terms-0-group_method": "sum-of-cars",
        "terms-0-group_method_version": 1, "terms-0-share_rule": "equal", "terms-0-control_share_percent": 0,
        "terms-0-objection_hours": 0, "terms-0-change_notice_days": 0,
    }  # fmt: skip
    address = f"/admin/grid/program/{terms.program_id}/change/"
    assert "there is no rule `wheels`" in desk.post(address, form).content.decode()
    assert desk.post(address, form | {"terms-0-eligibility": "", "terms-0-season_months": "[5, 6]"}).status_code == 302
    kept = ProgramTerms.objects.get()
    assert (kept.eligibility, kept.season_months) == ({}, [5, 6])


def test_enrolment_file_goes_out_and_comes_back(desk: Client, alice: User, ada: User, now: datetime) -> None:
    waiting = asked(alice, now=now)
    address, utility = "/admin/grid/enrollmentconfirmation/file/", waiting.program.utility_id
    out = desk.post(address, {"utility": utility, "hand_out": "1"}).content.decode()
    assert str(waiting.public_id) in out
    answers = f"enrollment_id,account_confirmed\n{waiting.public_id},yes\nx,yes"
    page = desk.post(address, {"utility": utility, "file": upload(answers), "take": "1"}).content.decode()
    assert "2 rows: 1 confirmed" in page
    assert "<td>3</td>" in page
    assert EnrollmentConfirmation.objects.get().taken_by == ada
    assert "Choose the utility" in desk.post(address, {"utility": utility, "take": "1"}).content.decode()


def test_enrolment_file_by_command(alice: User, now: datetime, tmp_path: Path) -> None:
    waiting, out = asked(alice, now=now), StringIO()
    call_command("enrollment_file", "lone-star", stdout=out)
    assert str(waiting.public_id) in out.getvalue()
    path = tmp_path / "answers.csv"
    path.write_text(f"enrollment_id,account_confirmed,reason\n{waiting.public_id},no,moved\n")
    call_command("enrollment_file", "lone-star", take=path, stdout=out)
    assert "1 refused" in out.getvalue()
    with pytest.raises(CommandError, match="no utility"):
        call_command("enrollment_file", "nobody")
