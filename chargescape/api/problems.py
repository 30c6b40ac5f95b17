"""The one place where exceptions become answers: problem+json, RFC 9457, with a code that programs can rely on."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from foundation.refusals import Refusal

PROBLEM_TYPE = "application/problem+json"


class PreconditionFailed(APIException):
    """What the caller read has changed since."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = _("This was changed since you read it. Read it again, then save.")
    default_code = "precondition_failed"


class KeyInvalid(APIException):
    """The Idempotency-Key cannot be kept."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_detail = _("Use 1 to 200 visible ASCII characters as Idempotency-Key.")
    default_code = "idempotency_key_invalid"


class KeyReused(APIException):
    """The key stands for another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = _("This Idempotency-Key was used for another request. Take a new key for a new wish.")
    default_code = "idempotency_key_reused"


class KeyInFlight(APIException):
    """The first request with the key is not answered yet."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = _("The first request with this Idempotency-Key is still under way. Ask again in a moment.")
    default_code = "idempotency_in_flight"


class CursorUnknown(APIException):
    """The cursor is not one of ours."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_detail = _("This cursor is not one of ours. Begin anew without `since`.")
    default_code = "cursor_invalid"


class CursorExpired(APIException):
    """What the cursor stands for is no longer kept."""

    status_code = status.HTTP_410_GONE
    default_detail = _("This cursor is too old. Begin anew without `since`, and replace what you keep.")
    default_code = "cursor_expired"


def answer_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Translate an exception into problem+json: `{"type", "title", "status", "code", "detail", "errors"?}`."""
    if isinstance(exc, Refusal):
        body: dict[str, Any] = {"code": exc.reason_code, "detail": str(exc.reason)}
        if exc.field:
            body["errors"] = {exc.field: [str(exc.reason)]}
        return _problem(status.HTTP_409_CONFLICT, body)
    if isinstance(exc, DjangoValidationError):
        return _problem(status.HTTP_400_BAD_REQUEST, {"code": "invalid", "detail": " ".join(exc.messages)})
    answer = exception_handler(exc, context)
    if answer is None:
        return None
    code = "not_found" if isinstance(exc, Http404) else getattr(exc, "default_code", "error")
    detail = answer.data.get("detail") if isinstance(answer.data, dict) else None
    body = {"code": str(code), "detail": str(detail or gettext("The request is not valid."))}
    if detail is None:
        body["errors"] = answer.data if isinstance(answer.data, dict) else {"non_field_errors": answer.data}
    problem = _problem(answer.status_code, body)
    for name in ("WWW-Authenticate", "Retry-After"):
        if answer.has_header(name):
            problem[name] = answer[name]
    return problem


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that a request cannot be read: to an app as a problem, to a person as a page."""
    if not request.path.startswith("/api/v1/"):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return _plain_problem(413, "too_large", gettext("This is more than one call may send."))
    return _plain_problem(400, "parse_error", gettext("The request is not valid."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that nothing is at an address: to an app as a problem, to a person as a page."""
    if not request.path.startswith("/api/v1/"):
        return defaults.page_not_found(request, exception)
    return _plain_problem(404, "not_found", gettext("Not found."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Own up to a fault of ours: to an app as a problem, to a person as a page."""
    if not request.path.startswith("/api/v1/"):
        return defaults.server_error(request)
    detail = gettext("Something broke on our side. Nothing you did is lost; please try again in a moment.")
    return _plain_problem(500, "server_error", detail)


def _plain_problem(status_code: int, code: str, detail: str) -> JsonResponse:
    """Return a problem where no view of the API's is at work, so that nothing else renders it."""
    body = {"type": f"urn:chargescape:problem:{code}", "title": detail, "status": status_code, "code": code}
    return JsonResponse(body | {"detail": detail}, status=status_code, content_type=PROBLEM_TYPE)


def _problem(status_code: int, body: dict[str, Any]) -> Response:
    full = {"type": f"urn:chargescape:problem:{body['code']}", "title": body["detail"], "status": status_code, **body}
    return Response(full, status=status_code, content_type=PROBLEM_TYPE)
