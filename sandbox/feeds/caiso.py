"""CAISO's OASIS, one query: PRC_LMP of the day-ahead market, as a zip with one CSV (or one XML that says why not).

Modelled on the OASIS interface specification, version 5: times are GMT, tomorrow's hours appear at 13:00 in
California, and what is not there is error 1000. The real prices of 2024 that are replayed lack the hours ending 01:00
to 09:00 of every day: here they are missing, too, so that a feed with gaps can be seen.
"""

import csv
import gzip
import io
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from sandbox.feeds.series import replayed_date
from sandbox.world import clock

DATA = Path(__file__).parent / "data" / "caiso_dlap_dam_2024_partial.csv.gz"
ZONE = ZoneInfo("America/Los_Angeles")
FIRST_DATE, WEEKS = date(2024, 1, 1), 52
PUBLISHED_AT = time(13, 0)
LONGEST_DAYS = 31
HEAD = ("INTERVALSTARTTIME_GMT", "INTERVALENDTIME_GMT", "OPR_DT", "OPR_HR", "NODE", "MARKET_RUN_ID", "LMP_TYPE", "MW")
NO_DATA, BAD_TIMES = ("1000", "No data returned for the specified selection"), ("1004", "Invalid date range")


@require_GET
def single_zip(request: HttpRequest) -> HttpResponse:
    """Answer a question as OASIS does: always 200, a zip, the fault inside."""
    try:
        starts_at, ends_at = (
            datetime.strptime(request.GET.get(f"{edge}datetime", ""), "%Y%m%dT%H:%M%z") for edge in ("start", "end")
        )
    except ValueError:
        return _fault(*BAD_TIMES)
    if not timedelta(0) < ends_at - starts_at <= timedelta(days=LONGEST_DAYS):
        return _fault(*BAD_TIMES)
    node, is_known = request.GET.get("node", ""), request.GET.get("queryname") == "PRC_LMP"
    if not is_known or request.GET.get("market_run_id") != "DAM":
        return _fault(*NO_DATA)
    rows = _rows(node, starts_at, min(ends_at, published_until(clock.now())))
    return _zip("PRC_LMP_DAM.csv", _table(rows)) if rows else _fault(*NO_DATA)


def published_until(now: datetime) -> datetime:
    """Return the end of the last day that is public: tomorrow once it is 13:00 in California."""
    local = now.astimezone(ZONE)
    days = 2 if local.time() >= PUBLISHED_AT else 1
    return datetime.combine(local.date() + timedelta(days=days), time(), tzinfo=ZONE)


def _rows(node: str, starts_at: datetime, ends_at: datetime) -> list[tuple[str, ...]]:
    prices = _prices().get(node.removesuffix("-APND").removeprefix("DLAP_"), {})
    at, rows = starts_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), []
    while at < ends_at:
        local = at.astimezone(ZONE)
        price = prices.get((replayed_date(local.date(), first=FIRST_DATE, weeks=WEEKS), local.hour + 1))
        if price is not None:
            edges = [f"{edge:%Y-%m-%dT%H:%M:%S}-00:00" for edge in (at, at + timedelta(hours=1))]
            rows.append((*edges, local.date().isoformat(), str(local.hour + 1), node, "DAM", "LMP", price))
        at += timedelta(hours=1)
    return rows


@lru_cache(maxsize=1)
def _prices() -> dict[str, dict[tuple[date, int], str]]:
    """Return prices in USD/MWh as they are written, by area, then by date and hour ending."""
    found: dict[str, dict[tuple[date, int], str]] = {}
    with gzip.open(DATA, "rt") as file:
        for row in csv.DictReader(file):
            ending = datetime.fromisoformat(row.pop("hour_ending_local"))
            begin = ending - timedelta(hours=1)
            for area, price in row.items():
                found.setdefault(area, {})[begin.date(), begin.hour + 1] = price
    return found


def _table(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEAD)
    table.writerows(rows)
    return text.getvalue()


def _fault(code: str, words: str) -> HttpResponse:
    error = f"<m:ERROR><m:ERR_CODE>{code}</m:ERR_CODE><m:ERR_DESC>{words}</m:ERR_DESC></m:ERROR>"
    return _zip("INVALID_REQUEST.xml", f'<m:OASISReport xmlns:m="http://www.caiso.com/soa">{error}</m:OASISReport>')


def _zip(name: str, content: str) -> HttpResponse:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return HttpResponse(body.getvalue(), content_type="application/x-zip-compressed")
