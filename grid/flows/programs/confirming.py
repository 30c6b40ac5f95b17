"""The enrolment file: who waits for a utility's word goes out as CSV, what the utility says comes back as CSV.

docs/programs.md names every column. The file that goes out has the columns of the answer at its end, so that a utility
fills them in and sends the same file back. Taking the same answers twice changes nothing.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.flows.notices import notify
from accounts.models import User
from foundation.refusals import Refusal
from foundation.sheets import harmless_cell
from grid.flows.programs.enrollment import end_enrollment, welcome
from grid.models import Enrollment, EnrollmentConfirmation, ProgramTerms, Utility

ASKED = ("enrollment_id", "program", "asked_at", "name", "address", "service_account")
ANSWERED = ("account_confirmed", "rate", "dual_enrollment", "reason")
MOST_ROWS, MOST_CHARACTERS = 200_000, 50_000_000
SEPARATORS = (",", ";", "\t")
YES, NO = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}
State = EnrollmentConfirmation.State


class UnableToTakeFile(Refusal):
    """Nothing of the file was taken."""


class _BadRow(Exception):
    """One row that cannot be taken; its text says why."""


@dataclass(frozen=True)
class BadRow:
    """One row that was not taken: its line in the file, and why."""

    line: int
    text: str


@dataclass
class ConfirmationReport:
    """What became of a file's rows; every row is counted once."""

    confirmed: int = 0
    refused: int = 0
    unchanged: int = 0
    unanswered: int = 0
    has_left: int = 0  # the owner had left by then; the answer is kept all the same
    bad_rows: list[BadRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows the file had."""
        return self.confirmed + self.refused + self.unchanged + self.unanswered + self.has_left + len(self.bad_rows)

    @property
    def summary(self) -> str:
        """The counts in a line, for staff."""
        return (
            f"{self.rows} rows: {self.confirmed} confirmed, {self.refused} refused, {self.unchanged} as before, "
            f"{self.unanswered} without an answer, {self.has_left} of owners who had left, {len(self.bad_rows)} bad"
        )


@transaction.atomic
def enrollment_file(*, utility: Utility, now: datetime) -> str:
    """Return the enrolments that wait for the utility's word, as CSV; each is marked as handed out.

    Name, address and account stand there only where the owner agreed to share them; what a spreadsheet could run as a
    formula is quoted.
    """
    rows = list(_waiting(utility).select_related("enrollment__program", "enrollment__site"))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*ASKED, *ANSWERED])
    for row in rows:
        shared = (row.account_name, row.enrollment.site.address, row.service_account) if row.shared_at else ("", "", "")
        cells = (str(row.enrollment.public_id), row.enrollment.program.slug, row.asked_at.isoformat(), *shared)
        writer.writerow([*map(harmless_cell, cells), *("" for _ in ANSWERED)])
    fresh = EnrollmentConfirmation.objects.filter(pk__in=[row.pk for row in rows], handed_out_at__isnull=True)
    fresh.update(handed_out_at=now)
    return out.getvalue()


def waiting_count(utility: Utility) -> int:
    """Return how many enrolments wait for the utility's word."""
    return _waiting(utility).count()


def _waiting(utility: Utility) -> QuerySet[EnrollmentConfirmation]:
    rows = EnrollmentConfirmation.objects.filter(state=State.WAITING, enrollment__ended_at__isnull=True)
    return rows.filter(enrollment__program__utility=utility).order_by("asked_at", "pk")


def take_confirmations(*, utility: Utility, text: str, taken_by: User | None, now: datetime) -> ConfirmationReport:
    """Take a utility's answers and return what became of each row; bad rows are named by line, the others are taken.

    An account that is confirmed takes part from `now` on. One that is not, or is in a program that the terms exclude,
    leaves the program; its owner is told why. Raises UnableToTakeFile for what is no such file at all.
    """
    report, seen = ConfirmationReport(), dict[str, int]()
    for line, row in list(_rows(text)):  # read whole first, so that a file that breaks off leaves nothing behind
        try:
            _take(row, line, seen, report, utility=utility, taken_by=taken_by, now=now)
        except _BadRow as bad:
            report.bad_rows.append(BadRow(line, str(bad)))
    return report


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    if len(text) > MOST_CHARACTERS:
        raise UnableToTakeFile("The file is too large: send it in parts.", code="file_too_large")
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        head = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("enrollment_id", "account_confirmed") if name not in head]
        if missing:
            raise UnableToTakeFile(
                f"The first line must name the columns; there is no {' and no '.join(missing)}.", code="column_missing"
            )
        for count, cells in enumerate(reader, start=1):
            if count > MOST_ROWS:
                raise UnableToTakeFile(f"The file has more than {MOST_ROWS:,} rows.", code="file_too_large")
            if any(cell.strip() for cell in cells):
                yield reader.line_num, dict(zip(head, (_plain(cell) for cell in cells), strict=False))
    except csv.Error as error:
        raise UnableToTakeFile(f"Line {reader.line_num} is no CSV: {error}.", code="not_csv") from error


def _separator(text: str) -> str:
    """Return what stands between the cells: spreadsheets write a semicolon where the comma is a decimal one."""
    head = text.partition("\n")[0].lower()
    named = (one for one in SEPARATORS if "enrollment_id" in [name.strip(' "\r') for name in head.split(one)])
    return next(named, SEPARATORS[0])


def _plain(cell: str) -> str:
    """Return a cell without the quote by which `harmless_cell` keeps spreadsheets from running it."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in {"=", "+", "-", "@"} else text


def _take(
    row: Mapping[str, str],
    line: int,
    seen: dict[str, int],
    report: ConfirmationReport,
    *,
    utility: Utility,
    taken_by: User | None,
    now: datetime,
) -> None:
    named, answer = row.get("enrollment_id", ""), row.get("account_confirmed", "").lower()
    if not answer:
        report.unanswered += 1
        return
    if answer not in YES | NO:
        raise _BadRow(f"account_confirmed is {answer[:20]!r}; write yes or no, or leave it empty.")
    try:
        public_id = UUID(named)
    except ValueError:
        raise _BadRow(f"{named[:40]!r} is no enrollment_id.") from None
    if str(public_id) in seen:
        raise _BadRow(f"The enrolment stands in line {seen[str(public_id)]} already.")
    seen[str(public_id)] = line
    with transaction.atomic():
        found = (
            EnrollmentConfirmation.objects.select_for_update(of=("self",))
            .select_related("enrollment__program__utility", "enrollment__vehicle__owner")
            .filter(enrollment__public_id=public_id, enrollment__program__utility=utility)
            .first()
        )
        if found is None:
            raise _BadRow("No enrolment of yours that was to be confirmed has this enrollment_id.")
        what = _decide(found, is_yes=answer in YES, row=row, taken_by=taken_by, now=now)
    setattr(report, what, getattr(report, what) + 1)


def _decide(
    found: EnrollmentConfirmation, *, is_yes: bool, row: Mapping[str, str], taken_by: User | None, now: datetime
) -> str:
    """Keep the answer and do what follows from it; return under what it is counted."""
    dual, reason = row.get("dual_enrollment", "")[:120], row.get("reason", "")[:200]
    if is_yes and dual and _is_excluded(found, dual, now=now):
        is_yes, reason = False, reason or f"in {dual}"[:200]
    if not is_yes and not reason:
        raise _BadRow("Say the reason for which the account is refused.")
    wanted = State.CONFIRMED if is_yes else State.REFUSED
    if found.state == wanted:
        return "unchanged"
    if found.state == State.REFUSED:
        raise _BadRow("It was refused before; the owner has to join the program again.")
    has_left = found.enrollment.ended_at is not None
    found.state, found.decided_at, found.taken_by = wanted, now, taken_by
    found.rate, found.dual_enrollment, found.reason = row.get("rate", "")[:60], dual, "" if is_yes else reason
    if is_yes and found.confirmed_at is None:
        found.confirmed_at = now
    found.save()
    if has_left:
        return "has_left"
    if is_yes:
        _let_in(found, now=now)
        return "confirmed"
    _let_out(found, now=now)
    return "refused"


def _is_excluded(found: EnrollmentConfirmation, dual: str, *, now: datetime) -> bool:
    """Say whether the terms exclude the program that the utility found; it may name it by slug, group or name."""
    program = found.enrollment.program
    terms = ProgramTerms.in_force(program=program, at=now)
    excluded = {rule["program"].casefold() for rule in terms.excludes} if terms else set()
    other = program.utility.programs.filter(name__iexact=dual).first()
    names = {dual.casefold(), *(name.casefold() for name in (other.names if other else ()))}
    return bool(excluded & names)


def _let_in(found: EnrollmentConfirmation, *, now: datetime) -> None:
    enrollment = found.enrollment
    # The car takes part, and its months and bonuses count, from the utility's word on.
    Enrollment.objects.filter(pk=enrollment.pk).update(enrolled_at=now)
    welcome(enrollment, now=now)


def _let_out(found: EnrollmentConfirmation, *, now: datetime) -> None:
    enrollment = found.enrollment
    end_enrollment(enrollment=enrollment, now=now, is_told=False)
    notify(
        user=enrollment.vehicle.owner,
        kind="enrollment_refused",
        key=f"enrollment_refused:{enrollment.public_id}",
        params={
            "vehicle": str(enrollment.vehicle),
            "program": enrollment.program.name,
            "utility": enrollment.program.utility.name,
            "reason": found.reason,
        },
        now=now,
    )
