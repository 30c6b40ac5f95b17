"""Pages of lists, by cursor."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

LONGEST_KEY = 19  # digits of the largest key that a database makes


class NewestFirst(CursorPagination):
    """Pages by cursor, so that new rows never shift a page."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-pk"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page begins; raises NotFound for what names no row's key, which databases cannot compare."""
        cursor = super().decode_cursor(request)
        position = "0" if cursor is None or cursor.position is None else str(cursor.position)
        if not (position.isascii() and position.isdecimal() and len(position) <= LONGEST_KEY):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of one page: both addresses are always there, null at the ends."""
        address = {"type": ["string", "null"], "format": "uri", "description": "The page beside; null at the end."}
        properties = {"next": address, "previous": address, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}
