"""The enrolment file out and in: what leaves with consent alone, what comes back, and what is wrong with it."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Notice, User
from grid.flows.events.announcing import announce_due_events
from grid.flows.programs.confirming import ConfirmationReport, UnableToTakeFile, enrollment_file, take_confirmations
from grid.flows.programs.enrollment import Shared, UnableToEnroll, enroll_vehicle
from grid.models import Enrollment, EnrollmentConfirmation, EventParticipation, Utility
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def asked(owner: User, *, now: datetime, shared: Shared | None = None, **terms: Any) -> Enrollment:
    make.home(owner, now=now, address="=1+1 Congress Ave")
    make.agree(owner, now=now)
    program = make.terms(now=now, needs_confirmation=True, **terms).program
    return enroll_vehicle(vehicle=make.car(owner, now=now), program=program, shared=shared, now=now)


def answer(now: datetime, *rows: str, head: str = "enrollment_id,account_confirmed,reason") -> ConfirmationReport:
    utility = Utility.objects.get(slug="lone-star")
    return take_confirmations(utility=utility, text="\n".join([head, *rows]), taken_by=None, now=now)


def test_file_names_who_agreed_and_nobody_else(alice: User, bob: User, now: datetime) -> None:
    told = asked(alice, now=now, shared=Shared("  Alice   Ames ", "12-345"))
    kept = asked(bob, now=now)
    rows = list(csv.DictReader(io.StringIO(enrollment_file(utility=told.program.utility, now=now))))
    assert [row["enrollment_id"] for row in rows] == [str(told.public_id), str(kept.public_id)]
    assert (rows[0]["name"], rows[0]["service_account"]) == ("Alice Ames", "12-345")
    assert rows[0]["address"] == "'=1+1 Congress Ave"  # no spreadsheet runs it
    assert {rows[1][name] for name in ("name", "address", "service_account", "account_confirmed")} == {""}
    assert set(EnrollmentConfirmation.objects.values_list("handed_out_at", flat=True)) == {now}


def test_utility_gets_its_own_enrolments_only(alice: User, now: datetime) -> None:
    told = asked(alice, now=now)
    other = make.utility("other-power")
    assert len(enrollment_file(utility=other, now=now).splitlines()) == 1
    report = take_confirmations(
        utility=other, text=f"enrollment_id,account_confirmed\n{told.public_id},yes", taken_by=None, now=now
    )
    assert [bad.line for bad in report.bad_rows] == [2]


def test_car_takes_part_from_the_utilitys_yes_on(alice: User, ada: User, now: datetime) -> None:
    waiting = asked(alice, now=now)
    make.event(now=now)
    announce_due_events(now=now, limit=10)
    assert not EventParticipation.objects.exists()
    later = now + HOUR
    row = f"{waiting.public_id},YES,"
    assert [answer(later, row).confirmed, answer(later + HOUR, row).unchanged] == [1, 1]
    waiting.refresh_from_db()
    assert (waiting.enrolled_at, waiting.confirmation.confirmed_at) == (later, later)
    make.event(now=later, starts_at=later + 3 * HOUR)
    announce_due_events(now=later, limit=10)
    assert EventParticipation.objects.get().enrollment == waiting
    kinds = Notice.objects.exclude(kind="event_announced").order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["enrollment_waiting", "enrolled"]


def test_refusal_ends_the_enrolment_and_tells_why(alice: User, now: datetime) -> None:
    waiting = asked(alice, now=now)
    row = f"{waiting.public_id},no,account closed in May"
    assert [answer(now, row).refused, answer(now, row).unchanged] == [1, 1]
    waiting.refresh_from_db()
    assert waiting.ended_at == now
    notice = Notice.objects.get(kind="enrollment_refused")
    assert notice.params["reason"] == "account closed in May"
    assert answer(now, f"{waiting.public_id},yes,").bad_rows[0].text.startswith("It was refused before")


@pytest.mark.parametrize("found", ["elrp", "Peak Rewards"])
def test_dual_enrolment_that_the_terms_exclude_is_a_refusal(alice: User, now: datetime, found: str) -> None:
    make.program(slug="peak-rewards", groups=["elrp"])
    waiting = asked(alice, now=now, excludes=[{"program": "elrp", "scope": "site"}])
    head = "enrollment_id,account_confirmed,rate,dual_enrollment"
    assert answer(now, f"{waiting.public_id},yes,R-1,{found}", head=head).refused == 1
    kept = EnrollmentConfirmation.objects.get()
    assert (kept.state, kept.rate, kept.dual_enrollment, kept.reason) == ("refused", "R-1", found, f"in {found}")


def test_bad_rows_are_named_by_line_and_the_others_are_taken(alice: User, bob: User, now: datetime) -> None:
    first, second = asked(alice, now=now), asked(bob, now=now)
    report = answer(
        now, "x,yes,", f"{first.public_id},maybe,", "", f"{first.public_id},yes,", f"{first.public_id},no,moved",
        f"{second.public_id},no,", f"{second.public_id},,",
    )  # fmt: skip
    assert (report.rows, report.confirmed, report.unanswered) == (6, 1, 1)
    assert [bad.line for bad in report.bad_rows] == [2, 3, 6, 7]
    assert report.bad_rows[3].text == "Say the reason for which the account is refused."


@pytest.mark.parametrize("separator", [";", "\t"])
def test_file_that_a_spreadsheet_saved_its_own_way_is_taken(separator: str, alice: User, now: datetime) -> None:
    waiting = asked(alice, now=now)
    handed_out = csv.reader(io.StringIO(enrollment_file(utility=waiting.program.utility, now=now)))
    head, cells = list(handed_out)
    cells[head.index("account_confirmed")] = "yes"
    text = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in (head, cells))
    report = take_confirmations(utility=waiting.program.utility, text=f"\ufeff{text}", taken_by=None, now=now)
    assert (report.confirmed, report.rows) == (1, 1)


def test_answer_for_an_owner_who_left_is_kept(alice: User, now: datetime) -> None:
    waiting = asked(alice, now=now)
    Enrollment.objects.update(ended_at=now)
    assert answer(now, f"{waiting.public_id},yes,").has_left == 1
    assert EnrollmentConfirmation.objects.get().state == "confirmed"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there is no enrollment_id and no account_confirmed"),
        ("enrollment_id,reason\n", "there is no account_confirmed"),
        ('enrollment_id,account_confirmed\n"x', "Line 2 is no CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_whole(db: None, text: str, complaint: str) -> None:
    with pytest.raises(UnableToTakeFile, match=complaint):
        take_confirmations(utility=make.utility(), text=text, taken_by=None, now=datetime.now().astimezone())


@pytest.mark.parametrize(
    ("shared", "field"), [(Shared("", "1"), "account_name"), (Shared("A", "=1"), "service_account")]
)
def test_what_cannot_be_an_account_is_refused(alice: User, now: datetime, shared: Shared, field: str) -> None:
    with pytest.raises(UnableToEnroll) as refused:
        asked(alice, now=now, shared=shared)
    assert refused.value.field == field
    assert not Enrollment.objects.exists()
