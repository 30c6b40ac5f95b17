"""Operators that publish a file a day: read as text, CSV or XML, with "not there yet" told apart from failing."""

import csv
import io
import zipfile
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import requests

from grid.feeds.base import FeedUnavailable, FeedUnreadable, check_status

MOST_ROWS = 200_000
MOST_UNPACKED_BYTES = 30_000_000


def get_file(session: requests.Session, url: str, **options: object) -> bytes | None:
    """Return the body of one GET, None where the file is not published (404); raises FeedError for anything else."""
    try:
        reply = session.get(url, **options)  # type: ignore[arg-type]  # requests' own options, passed on
    except requests.RequestException as error:
        raise FeedUnavailable(f"no answer: {type(error).__name__}") from error
    if reply.status_code == requests.codes.not_found:
        return None
    check_status(reply)
    return reply.content


def read_csv(body: bytes, *, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with at least `columns`; raises FeedUnreadable for anything else."""
    try:
        reader = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        if not set(columns) <= set(reader.fieldnames or ()):
            raise FeedUnreadable("a column is missing")
        rows = []
        for row in reader:
            if any(row.get(name) is None for name in columns):
                raise FeedUnreadable("a row does not fit the columns")
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise FeedUnreadable(f"more than {MOST_ROWS} rows")
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeedUnreadable("the file is no CSV") from error
    return rows


def read_xml(body: bytes) -> ET.Element:
    """Return the root of an XML file; raises FeedUnreadable for one that is none or that declares entities."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:  # without them no entity can grow or reach outside
        raise FeedUnreadable("the file declares a document type")
    try:
        return ET.fromstring(body)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise FeedUnreadable("the file is no XML") from error


def unzip_one(body: bytes) -> tuple[str, bytes]:
    """Return name and content of the only file in a zip archive; raises FeedUnreadable for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = archive.infolist()
            if len(files) != 1 or files[0].file_size > MOST_UNPACKED_BYTES:
                raise FeedUnreadable("the archive does not hold one file of bounded size")
            with archive.open(files[0]) as file:
                content = file.read(MOST_UNPACKED_BYTES + 1)  # what the header claims need not be true
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise FeedUnreadable("the answer is no zip archive") from error
    if len(content) > MOST_UNPACKED_BYTES:
        raise FeedUnreadable("the archive unpacks to too much")
    return files[0].filename, content
