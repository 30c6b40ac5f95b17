"""The API's paging, and the one place where exceptions become answers."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from rest_framework import status
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rest_framework.views import exception_handler

from foundation.refusals import Refusal


class NewestFirst(CursorPagination):
    """Pages by cursor, so that new rows never shift a page."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-pk"


def answer_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Translate an exception into problem+json: `{"type", "title", "status", "code", "detail", "errors"?}`."""
    if isinstance(exc, Refusal):
        body: dict[str, Any] = {"code": exc.reason_code, "detail": exc.reason}
        if exc.field:
            body["errors"] = {exc.field: [exc.reason]}
        return _problem(status.HTTP_409_CONFLICT, body)
    if isinstance(exc, DjangoValidationError):
        return _problem(status.HTTP_400_BAD_REQUEST, {"code": "invalid", "detail": " ".join(exc.messages)})
    answer = exception_handler(exc, context)
    if answer is None:
        return None
    code = "not_found" if isinstance(exc, Http404) else getattr(exc, "default_code", "error")
    detail = answer.data.get("detail") if isinstance(answer.data, dict) else None
    body = {"code": str(code), "detail": str(detail or "The request is not valid.")}
    if detail is None:
        body["errors"] = answer.data
    problem = _problem(answer.status_code, body)
    for name in ("WWW-Authenticate", "Retry-After"):
        if answer.has_header(name):
            problem[name] = answer[name]
    return problem


def _problem(status_code: int, body: dict[str, Any]) -> Response:
    full = {"type": "about:blank", "title": body["detail"], "status": status_code, **body}
    return Response(full, status=status_code, content_type="application/problem+json")
