"""OpenEI's Utility Rate Database: tariffs of utilities in the United States, by label or by the utility's EIA number.

GET {api_base}/utility_rates?version=8&format=json&detail=full&api_key= with getpage=<label>, or eia=<number> and
sector=Residential, answers `{"items": [...]}`, at most 500; an error is `{"error": {"code", "message"}}` with status
200 or 4xx. The key is free. Source: https://openei.org/services/doc/rest/util_rates (version 8), read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

import requests

from grid.feeds.base import FeedRefused, FeedUnreadable, get_json

MOST_RECORDS = 500
KEY_ERRORS = {"API_KEY_MISSING", "API_KEY_INVALID", "API_KEY_DISABLED"}


class OpenEiTariffs:
    """Looks tariffs up; what a record means is `grid.rules.urdb`'s business."""

    def __init__(self, *, session: requests.Session, api_base: str, api_key: str) -> None:
        self.session = session
        self.url = api_base.rstrip("/") + "/utility_rates"
        self.query = {"version": "8", "format": "json", "detail": "full", "api_key": api_key}

    def by_label(self, label: str) -> Mapping[str, Any]:
        """Return the record of one label; raises FeedError."""
        records = self._ask({"getpage": label})
        found = [record for record in records if record.get("label") == label]
        if not found:
            raise FeedUnreadable("there is no such record")
        return found[0]

    def _ask(self, query: dict[str, str]) -> list[Mapping[str, Any]]:
        answer = get_json(self.session, self.url, params={**self.query, **query})
        if not isinstance(answer, Mapping):
            raise FeedUnreadable("the answer is no object")
        error = answer.get("error") or answer.get("errors")
        if error:
            code = str(error.get("code", "")) if isinstance(error, Mapping) else ""
            raise (
                FeedRefused("the key is not accepted") if code in KEY_ERRORS else FeedUnreadable("the question failed")
            )
        records = answer.get("items")
        if not isinstance(records, list) or any(not isinstance(record, Mapping) for record in records):
            raise FeedUnreadable("items is no list of objects")
        return records[:MOST_RECORDS]
