"""Series that people upload: first a report of what would be loaded, then the loading; the file is kept as it came."""

import hashlib
import io
import zlib
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction
from django.db.models import Max

from accounts.models import User
from foundation.refusals import Refusal
from grid.feeds.uploads import Reading, Series, UploadRefused, read_upload
from grid.flows.prices.feeds import latest_points
from grid.flows.prices.series import Values, store_values
from grid.models import Feed, SeriesPoint, SeriesUpload
from grid.rows.columns import at_micros

MOST_BYTES, MOST_ROWS = 20_000_000, 250_000  # two years of five minutes; more goes by the command


class UnableToUpload(Refusal):
    """Nothing was loaded."""


def check_upload(*, feed: Feed, file_name: str, body: bytes, time_zone: str, by: User, now: datetime) -> SeriesUpload:
    """Read a file and keep it with a report of what it holds; nothing is loaded yet.

    Raises UnableToUpload for a file that is too large or no table of values.
    """
    if len(body) > MOST_BYTES:
        raise UnableToUpload("The file is larger than 20 MB: use `manage.py load_series`.", code="too_large")
    reading = _read(feed, io.BytesIO(body), time_zone=time_zone, now=now, most_rows=MOST_ROWS)
    return SeriesUpload.objects.create(
        feed=feed,
        uploaded_by=by,
        uploaded_at=now,
        file_name=file_name[-120:],
        sha256=hashlib.sha256(body).hexdigest(),
        packed=zlib.compress(body),
        time_zone=time_zone,
        report=reading.report() | _compared(feed, reading),
    )


def load_upload(*, upload: SeriesUpload, by: User, now: datetime) -> SeriesUpload:
    """Load the good rows of a checked file, issued when it was uploaded unless they say when themselves.

    Raises UnableToUpload for one that was loaded or discarded, and for one without a good row.
    """
    with transaction.atomic():
        upload = _open(upload)
        if not upload.report.get("good"):
            raise UnableToUpload("The file has no row that could be loaded.", code="no_rows")
        body = io.BytesIO(zlib.decompress(upload.packed))
        reading = _read(upload.feed, body, time_zone=upload.time_zone, now=upload.uploaded_at)
        upload.new_count = _store(upload.feed, reading)
        return _finish(upload, SeriesUpload.State.LOADED, by, now)


def discard_upload(*, upload: SeriesUpload, by: User, now: datetime) -> SeriesUpload:
    """Leave a checked file alone for good; it stays on record. Raises UnableToUpload where it was finished before."""
    with transaction.atomic():
        return _finish(_open(upload), SeriesUpload.State.DISCARDED, by, now)


def load_file(*, feed: Feed, file: BinaryIO, time_zone: str, now: datetime, is_dry: bool) -> tuple[dict[str, Any], int]:
    """Read a file of any size and load its good rows unless `is_dry`; return the report and how much was new.

    Raises UnableToUpload for a file that is no table of values.
    """
    reading = _read(feed, file, time_zone=time_zone, now=now)
    return reading.report(), 0 if is_dry else _store(feed, reading)


def _read(feed: Feed, file: BinaryIO, *, time_zone: str, now: datetime, most_rows: int | None = None) -> Reading:
    unit = SeriesPoint.objects.filter(feed=feed).order_by().values_list("unit", flat=True).first() or ""
    clock = ZoneInfo(time_zone) if time_zone else None
    series = Series(source=feed.source, zone=feed.zone, kind=feed.kind, unit=unit, now=now, clock=clock)
    try:
        return read_upload(file, series=series, most_rows=most_rows)
    except UploadRefused as error:
        raise UnableToUpload(str(error), code="unreadable") from error


def _compared(feed: Feed, reading: Reading) -> dict[str, int]:
    """Return how many rows say what is known already, and how many correct it."""
    if not reading.starts:
        return {"known": 0, "corrections": 0}
    known = {
        row.starts_at: row for row in latest_points(feed, at_micros(min(reading.starts)), at_micros(max(reading.ends)))
    }
    rows = zip(map(at_micros, reading.starts), map(at_micros, reading.ends), reading.values, strict=True)
    found = [(known[start], end, value) for start, end, value in rows if start in known]
    same = sum(row.ends_at == end and row.value == value for row, end, value in found)
    return {"known": same, "corrections": len(found) - same}


def _store(feed: Feed, reading: Reading) -> int:
    if not reading.starts:
        return 0
    columns = reading.starts, reading.ends, reading.values, reading.issued
    starts, ends, values, issued = (np.frombuffer(column, dtype=np.int64) for column in columns)
    stored = store_values(feed=feed, values=Values(starts, ends, values, issued, reading.unit))
    latest = SeriesPoint.objects.filter(feed=feed).aggregate(latest=Max("ends_at"))["latest"]
    Feed.objects.filter(pk=feed.pk).update(latest_ends_at=latest)
    return stored


def _open(upload: SeriesUpload) -> SeriesUpload:
    found = SeriesUpload.objects.select_for_update(of=("self",)).select_related("feed").get(pk=upload.pk)
    if found.state != SeriesUpload.State.CHECKED:
        raise UnableToUpload(f"It is {found.get_state_display()} already.", code="finished")
    return found


def _finish(upload: SeriesUpload, state: str, by: User, now: datetime) -> SeriesUpload:
    upload.state, upload.finished_at, upload.finished_by = state, now, by
    upload.save(update_fields=["state", "finished_at", "finished_by", "new_count"])
    return upload
