"""Uploads: a report first, then the loading; once, by name, with the file kept; the command does the same."""

import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from grid.flows.prices import uploads
from grid.flows.prices.feeds import values_between
from grid.flows.prices.uploads import UnableToUpload, check_upload, discard_upload, load_upload
from grid.models import Feed, SeriesPoint, SeriesUpload
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

BODY = b"""starts_at,ends_at,value,unit
2026-11-18T00:00Z,2026-11-18T01:00Z,31.5,USD/MWh
2026-11-18T01:00Z,2026-11-18T02:00Z,9000,USD/MWh
2026-11-18T02:00Z,2026-11-18T03:00Z,cheap,USD/MWh
2026-11-18T03:00Z,2026-11-18T04:00Z,-20,USD/MWh
"""
START = datetime(2026, 11, 18, tzinfo=UTC)


def check(by: User, now: datetime, body: bytes = BODY) -> SeriesUpload:
    return check_upload(feed=make.feed(), file_name="p.csv", body=body, time_zone="", by=by, now=now)


def known(feed: Feed) -> list[int | None]:
    return values_between(feed=feed, starts_at=START, ends_at=START + timedelta(hours=4), slot_minutes=60)


def test_file_is_checked_before_anything_is_loaded(ada: User, now: datetime) -> None:
    upload = check(ada, now)
    told = upload.report
    assert (told["good"], told["bad"], told["flagged"], told["gap_count"], told["known"]) == (3, 1, 2, 1, 0)
    assert not SeriesPoint.objects.exists()
    assert zlib.decompress(upload.packed) == BODY


def test_good_rows_are_loaded_once_issued_when_they_were_uploaded(ada: User, now: datetime) -> None:
    upload = load_upload(upload=check(ada, now), by=ada, now=now + timedelta(hours=1))
    assert (upload.state, upload.new_count, upload.finished_by) == ("loaded", 3, ada)
    assert known(upload.feed) == [31_500, 9_000_000, None, -20_000]
    assert set(SeriesPoint.objects.values_list("issued_at", flat=True)) == {now}
    upload.feed.refresh_from_db()
    assert upload.feed.latest_ends_at == START + timedelta(hours=4)
    for again in (load_upload, discard_upload):
        with pytest.raises(UnableToUpload, match="loaded already"):
            again(upload=upload, by=ada, now=now)


def test_second_file_is_compared_and_corrects(ada: User, now: datetime) -> None:
    load_upload(upload=check(ada, now), by=ada, now=now)
    later = now + timedelta(hours=1)
    upload = check(ada, later, BODY.replace(b"9000", b"8000").replace(b"cheap", b"7"))
    assert (upload.report["known"], upload.report["corrections"]) == (2, 1)
    load_upload(upload=upload, by=ada, now=later)
    assert known(upload.feed) == [31_500, 8_000_000, 7_000, -20_000]
    assert SeriesPoint.objects.count() == 5


def test_discarded_file_stays_on_record_and_is_never_loaded(ada: User, now: datetime) -> None:
    upload = discard_upload(upload=check(ada, now), by=ada, now=now)
    with pytest.raises(UnableToUpload, match="discarded already"):
        load_upload(upload=upload, by=ada, now=now)
    assert not SeriesPoint.objects.exists()


def test_file_too_large_or_without_rows_is_refused(ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnableToUpload, match="no row"):
        load_upload(upload=check(ada, now, BODY[:30]), by=ada, now=now)
    with pytest.raises(UnableToUpload, match="first line"):
        check(ada, now, b"PK\x03\x04")
    monkeypatch.setattr(uploads, "MOST_BYTES", len(BODY) - 1)
    with pytest.raises(UnableToUpload, match="larger than"):
        check(ada, now)


def test_command_reports_then_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, key = tmp_path / "p.csv", {"source": "upload", "zone": "HERE", "kind": "day_ahead_price"}
    path.write_bytes(BODY)
    with pytest.raises(CommandError, match="no feed upload HERE"):
        call_command("load_series", path, **key)
    call_command("load_series", path, **key, make_feed=True, dry_run=True)
    assert not SeriesPoint.objects.exists()
    call_command("load_series", path, **key)
    told = capsys.readouterr()
    assert "5 lines, 3 good, 1 bad, 0 duplicate, 0 blank, 2 flagged; 1 gaps, 0 overlaps" in told.out
    assert "3 values are new" in told.out
    assert "line 4: value is no number" in told.err
    assert not Feed.objects.get().is_active
    for path_, options in ((tmp_path / "none", {}), (path, {"time_zone": "Mars"})):
        with pytest.raises(CommandError):
            call_command("load_series", path_, **key, **options)
