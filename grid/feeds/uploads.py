"""Files of prices or carbon that people upload: every line is read, named where it is wrong, and never guessed.

The canonical row is a line of CSV: starts_at, ends_at, value, unit, and where told issued_at, source, zone, kind; the
first line names the columns. Times are ISO 8601 with an offset; without one they are read by the zone that was
chosen, and a time that comes twice or not at all in an autumn or spring night is wrong. Encodings: UTF-8 with or
without its mark, UTF-16 with it. Separators: comma, semicolon (then a decimal comma is read, too), tab. What is
unusual but possible (9,000 USD/MWh, prices below zero) is flagged and counts.
"""

import csv
import io
from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

NEEDED = ("starts_at", "ends_at", "value", "unit")
KNOWN = (*NEEDED, "issued_at", "source", "zone", "kind")
SEPARATORS = (",", ";", "\t")
LONGEST_LINE = 2_000
MOST_FINDINGS, MOST_GAPS, EXCERPT = 500, 100, 80
EPOCH, EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 2000, 2100))
MICROSECOND, LONGEST = timedelta(microseconds=1), timedelta(days=1)
LB = Decimal("0.45359237")
# What a unit is in the canonical one, and how many millionths of it one is.
UNITS: dict[str, tuple[str, Decimal]] = {
    **{f"{money}/kWh": (f"{money}/kWh", Decimal(1_000_000)) for money in ("USD", "CAD")},
    **{f"{money}/MWh": (f"{money}/kWh", Decimal(1_000)) for money in ("USD", "CAD")},
    "kg/kWh": ("kg/kWh", Decimal(1_000_000)),
    "g/kWh": ("kg/kWh", Decimal(1_000)),
    "kg/MWh": ("kg/kWh", Decimal(1_000)),
    "lb/MWh": ("kg/kWh", LB * 1_000),
}
# Beyond the first in either direction, and below zero, a value is flagged; beyond the second it is wrong.
UNUSUAL_MICROS, HIGHEST_MICROS = 1_000_000, 50_000_000


class UploadRefused(ValueError):
    """The file as a whole cannot be read; the message says what to do."""


class BadLine(ValueError):
    """One line cannot be read; the message says why."""


@dataclass(frozen=True)
class Series:
    """What a file may hold: values of one series, in its unit ("" = the one of the first line), issued until `now`."""

    source: str
    zone: str
    kind: str
    unit: str
    now: datetime
    clock: ZoneInfo | None = None

    @property
    def is_carbon(self) -> bool:
        """Whether the values are carbon, else prices."""
        return self.kind.endswith("carbon")


@dataclass
class Reading:
    """What was found in a file: the good rows as columns of microseconds and millionths, and a note on all else."""

    unit: str = ""
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[int]" = field(default_factory=lambda: array("q"))
    issued: "array[int]" = field(default_factory=lambda: array("q"))
    lines: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def note(self, kind: str, line: int, reason: str, text: str) -> None:
        """Count a line of a kind (bad, duplicate, flagged), and keep the first ones word by word."""
        self.counts[kind] += 1
        self.reasons[reason] += 1
        if len(self.findings) < MOST_FINDINGS:
            excerpt = text.strip()[:EXCERPT].replace("\0", "\ufffd")  # which JSON in a database cannot hold
            self.findings.append({"line": line, "kind": kind, "reason": reason, "text": excerpt})

    def report(self) -> dict[str, Any]:
        """Return what a person should see, fit for JSON."""
        order = sorted(range(len(self.starts)), key=self.starts.__getitem__)
        gaps, overlaps = _joints([(self.starts[i], self.ends[i]) for i in order])
        return {
            "unit": self.unit,
            "lines": self.lines,
            "good": len(self.starts),
            **{kind: self.counts[kind] for kind in ("bad", "duplicate", "blank", "flagged")},
            "reasons": dict(self.reasons.most_common()),
            "findings": self.findings,
            "first": _text(min(self.starts)) if self.starts else "",
            "last": _text(max(self.ends)) if self.starts else "",
            "lowest": min(self.values, default=0),
            "highest": max(self.values, default=0),
            **{f"{name}_count": len(found) for name, found in (("gap", gaps), ("overlap", overlaps))},
            "gaps": [[_text(begin), _text(end)] for begin, end in gaps[:MOST_GAPS]],
            "overlaps": [[_text(begin), _text(end)] for begin, end in overlaps[:MOST_GAPS]],
        }


def read_upload(file: BinaryIO, *, series: Series, most_rows: int | None = None) -> Reading:
    """Read a file line by line; raises UploadRefused where it has no header of ours or more rows than allowed."""
    with closing(_lines(file)) as lines:
        return _read_lines(lines, series, most_rows)


def _read_lines(lines: Iterator[str], series: Series, most_rows: int | None) -> Reading:
    separator, columns = _columns(next(lines, ""))
    reading, reader = Reading(unit=series.unit, lines=1), _Rows(series, separator, columns)
    for number, line in enumerate(lines, start=2):
        reading.lines = number
        if not line.strip():
            reading.counts["blank"] += 1
            continue
        if most_rows is not None and len(reading.starts) >= most_rows:
            raise UploadRefused(f"The file has more than {most_rows:,} rows: load it with `manage.py load_series`.")
        try:
            reader.take(line, number, reading)
        except BadLine as error:
            reading.note("bad", number, str(error), line)
    return reading


def _lines(file: BinaryIO) -> Generator[str]:
    """Yield the lines; of one that is far too long only the beginning, which no row can be."""
    mark = file.read(2)
    file.seek(0)
    encoding = "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline=None)
    try:
        while line := text.readline(LONGEST_LINE + 1):
            rest = line
            while not rest.endswith("\n") and (rest := text.readline(LONGEST_LINE + 1)):
                pass
            yield line
    finally:
        text.detach()  # the file is whoever opened it's to close


def _columns(header: str) -> tuple[str, dict[str, int]]:
    """Return the separator and where each column stands."""
    for separator in SEPARATORS:
        names = [name.strip().strip('"').lower() for name in header.split(separator)]
        if set(NEEDED) <= set(names) and len(set(names)) == len(names):
            return separator, {name: place for place, name in enumerate(names)}
    needed, known = ", ".join(NEEDED), ", ".join(KNOWN[len(NEEDED) :])
    raise UploadRefused(f"The first line names the columns, each once: {needed} are needed; {known} are known.")


class _Rows:
    """Reads lines of one file."""

    def __init__(self, series: Series, separator: str, columns: dict[str, int]) -> None:
        self.series, self.separator, self.width = series, separator, len(columns)
        self.start, self.end, self.value, self.unit = (columns[name] for name in NEEDED)
        self.issue = columns.get("issued_at")
        self.same = [(name, columns[name], getattr(series, name)) for name in KNOWN[5:] if name in columns]
        self.now_micros = _micros(series.now)
        self.last = -1
        self.told: dict[tuple[int, int], int] | None = None  # built once the lines are not in order of time

    def take(self, line: str, number: int, reading: Reading) -> None:
        """Add the line's row to the reading; raises BadLine."""
        cells = self._cells(line)
        for name, place, wanted in self.same:
            if cells[place].strip() != wanted:
                raise BadLine(f"{name} is not that of the series")
        starts, ends = self._instant(cells[self.start], "starts_at"), self._instant(cells[self.end], "ends_at")
        if not starts < ends <= starts + LONGEST:
            raise BadLine("ends_at is not after starts_at, or more than a day after it")
        issued = self.now_micros if self.issue is None else self._issued(cells[self.issue])
        value = self._micros(cells[self.value], cells[self.unit].strip(), reading)
        begins = _micros(starts)
        before = self._told_before(begins, issued, reading)
        if before is not None and reading.values[before] != value:
            raise BadLine("the same time is told twice with different values")
        if before is not None:
            reading.note("duplicate", number, "told before with the same value", line)
            return
        reading.starts.append(begins)
        reading.ends.append(_micros(ends))
        reading.values.append(value)
        reading.issued.append(issued)
        if value < 0 or value > UNUSUAL_MICROS:
            reading.note("flagged", number, "below zero" if value < 0 else f"above 1 {reading.unit}", line)

    def _cells(self, line: str) -> Sequence[str]:
        if len(line) > LONGEST_LINE:
            raise BadLine(f"longer than {LONGEST_LINE} characters")
        if '"' in line:
            try:
                cells = next(csv.reader([line], delimiter=self.separator, strict=True))
            except csv.Error:
                raise BadLine("a quotation mark is never closed, or stands amid a cell") from None
        else:
            cells = line.rstrip("\r\n").split(self.separator)
        if len(cells) != self.width:
            raise BadLine(f"not as many cells as the header ({self.width})")
        return cells

    def _instant(self, text: str, name: str) -> datetime:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise BadLine(f"{name} is no time (ISO 8601)") from None
        if at.tzinfo is None:
            at = self._resolved(at, name)
        if not EARLIEST <= at <= LATEST:
            raise BadLine(f"{name} is not between 2000 and 2100")
        return at

    def _resolved(self, local: datetime, name: str) -> datetime:
        clock = self.series.clock
        if clock is None:
            raise BadLine(f"{name} says no offset from UTC, and no time zone was chosen")
        first, second = (local.replace(tzinfo=clock, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return first.astimezone(UTC)
        if first.astimezone(UTC).astimezone(clock).replace(tzinfo=None) != local:
            raise BadLine(f"{name} does not exist: the clock is put forward that night")
        raise BadLine(f"{name} comes twice: the clock is put back that night; write the offset")

    def _issued(self, text: str) -> int:
        if not text.strip():
            return self.now_micros
        issued = _micros(self._instant(text, "issued_at"))
        if issued > self.now_micros:
            raise BadLine("issued_at is later than now")
        return issued

    def _micros(self, text: str, unit: str, reading: Reading) -> int:
        known = UNITS.get(unit)
        if known is None or (known[0] == "kg/kWh") != self.series.is_carbon:
            raise BadLine("unit is not one of this kind of series")
        if reading.unit and known[0] != reading.unit:
            raise BadLine(f"unit is not that of the series ({reading.unit})")
        text = text.strip()
        if self.separator == ";" and "." not in text:
            text = text.replace(",", ".", 1)
        try:
            number = Decimal(text) if "_" not in text else Decimal("nan")
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise BadLine("value is no number")
        # Compared first: a product of far too large a number raises.
        if not -HIGHEST_MICROS < number < HIGHEST_MICROS or abs(number * known[1]) > HIGHEST_MICROS:
            raise BadLine("value is beyond all reason")
        reading.unit = known[0]
        return int((number * known[1]).to_integral_value())

    def _told_before(self, begins: int, issued: int, reading: Reading) -> int | None:
        """Return which row told this time before, if any; a file in order of time needs no memory for that."""
        if self.told is None and begins > self.last:
            self.last = begins
            return None
        if self.told is None:
            pairs = zip(reading.starts, reading.issued, strict=True)
            self.told = {pair: place for place, pair in enumerate(pairs)}
        place = self.told.setdefault((begins, issued), len(reading.starts))
        return None if place == len(reading.starts) else place


def _joints(spans: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the stretches between the spans (in order of time) that none covers, and those that two cover."""
    gaps, overlaps, known_until = [], [], spans[0][1] if spans else 0
    for (before, _), (begins, ends) in pairwise(spans):
        if begins > known_until:
            gaps.append((known_until, begins))
        elif before < begins < known_until:
            overlaps.append((begins, min(known_until, ends)))
        known_until = max(known_until, ends)
    return gaps, overlaps


def safe_cell(text: object) -> str:
    """Return a cell of a table for download that no spreadsheet takes for a formula."""
    told = str(text)
    return f"'{told}" if told[:1] in {"=", "+", "-", "@", "\t", "\r"} else told


def _micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def _text(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat()
