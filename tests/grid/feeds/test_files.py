"""Files of prices are untrusted: archives that grow, XML that declares entities, tables without their columns."""

import io
import zipfile

import pytest
import responses

from foundation.http import open_session
from grid.feeds import files
from grid.feeds.base import FeedUnavailable, FeedUnreadable
from grid.feeds.files import get_file, read_csv, read_xml, unzip_one

URL = "https://operator.test/file"


def zipped(**contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


@responses.activate
def test_missing_file_is_not_there_yet_and_a_failing_server_is_unavailable() -> None:
    responses.get(URL, status=404)
    assert get_file(open_session(), URL) is None
    responses.replace(responses.GET, URL, status=502)
    with pytest.raises(FeedUnavailable):
        get_file(open_session(), URL)


@pytest.mark.parametrize("body", [b"", b"a,b\n1\n", b"\xff\xfe\x00", b"a\n1\n", b'a,b\n"1,2\n'])
def test_csv_without_its_columns_is_unreadable(body: bytes) -> None:
    with pytest.raises(FeedUnreadable):
        read_csv(body, columns=["a", "b"])


def test_csv_is_read_with_its_mark_and_extra_columns() -> None:
    assert read_csv(b"\xef\xbb\xbfa,b,c\r\n1,2,3\r\n", columns=["a", "b"]) == [{"a": "1", "b": "2", "c": "3"}]


@pytest.mark.parametrize("body", [b"", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>&b;</a>", b"\x00\x01"])
def test_xml_that_is_none_or_declares_entities_is_unreadable(body: bytes) -> None:
    with pytest.raises(FeedUnreadable):
        read_xml(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"PK\x03\x04", zipped(), zipped(a_csv=b"1", b_csv=b"2"), zipped(a_csv=b"1")[:-9]],
    ids=["nothing", "a mark alone", "no file", "two files", "cut off"],  # archives tell the second they were made in
)
def test_archive_holds_one_file(body: bytes) -> None:
    with pytest.raises(FeedUnreadable):
        unzip_one(body)


def test_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_UNPACKED_BYTES", 1000)
    assert unzip_one(zipped(a_csv=b"0" * 1000)) == ("a.csv", b"0" * 1000)
    with pytest.raises(FeedUnreadable):
        unzip_one(zipped(a_csv=b"0" * 1001))
