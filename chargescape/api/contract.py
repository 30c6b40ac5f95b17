"""What every view under /api/v1/ does besides its own work; the router puts it before each viewset of every room."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags, quote_etag
from rest_framework.exceptions import ParseError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request, clone_request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSetMixin

from accounts.models import User
from chargescape.api import keys
from chargescape.api.problems import PreconditionFailed
from chargescape.api.throttles import headers_of
from chargescape.models import WriteKey
from foundation.keeping import KEPT_SECONDS, key_of
from foundation.stamps import Stamp

if TYPE_CHECKING:
    _View = GenericViewSet[Any]
else:
    _View = object

VARIES_BY = ["Authorization", "X-Session-Token", "Cookie", "Accept-Language"]
KEPT_ON_304 = ("ETag", "Cache-Control", "Vary", "RateLimit", "RateLimit-Policy")


class AnsweredBeforeError(Exception):
    """Ends a request whose key has an answer already."""

    def __init__(self, answered: keys.Answered) -> None:
        super().__init__("answered before")
        self.answered = answered


class KeptAnswer(Exception):
    """Ends a request whose answer was made before, from rows that have not changed since."""

    def __init__(self, content: bytes) -> None:
        super().__init__("kept")
        self.content = content


class Contract(_View):
    """ETags, preconditions, idempotency keys and rate limits, the same for every call.

    A view whose PUT or PATCH may race another says which row to lock by a method `lock_for_write`. One whose answers
    are worth keeping says by `stamps` what each action shows; the answer may tell the time by the minute alone.
    """

    kept_under = ""
    claimed: WriteKey | None = None
    is_guarded = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the request; where it has a precondition, check and write are one transaction."""
        if keys.HEADER in request.headers:
            _ = request.body  # its hash is needed, and parsers read it but once
        try:
            with ExitStack() as self.until_answered:
                answer = super().dispatch(request, *args, **kwargs)
                is_done = answer.status_code < 400
                if self.is_guarded and not is_done:
                    transaction.set_rollback(True)
                if self.claimed and is_done:
                    keys.keep(self.claimed, cast(Response, answer))
        except BaseException:
            if self.claimed:
                keys.give_free(self.claimed)
            raise
        if self.claimed and not is_done:
            keys.keep(self.claimed, cast(Response, answer))
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in, then take the key and check the precondition."""
        super().initial(request, *args, **kwargs)
        if "\x00" in request.path + "".join(map(str, request.query_params.values())):
            raise ParseError  # no text may hold a NUL byte, and no database takes it
        if request.method in SAFE_METHODS:
            self._look_for_kept(request)
            return
        if key := keys.read_key(request):
            found = keys.claim(user=cast(User, request.user), key=key, request=request)
            if isinstance(found, keys.Answered):
                raise AnsweredBeforeError(found)
            self.claimed = found
        if "If-Match" in request.headers and request.method in {"PUT", "PATCH"}:
            self.until_answered.enter_context(transaction.atomic())
            self.is_guarded = True
            self._check_precondition(request)

    def handle_exception(self, exc: Exception) -> Response:
        """Give the answer that was given or made before, or translate the exception."""
        if isinstance(exc, KeptAnswer):
            return cast(Response, HttpResponse(exc.content, content_type="application/json"))
        if isinstance(exc, AnsweredBeforeError):
            answer: Any = HttpResponse(
                exc.answered.body,
                status=exc.answered.status,
                headers={"Content-Type": exc.answered.content_type, "Idempotency-Replayed": "true"},
            )
            return cast(Response, answer)
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Render the answer and add what callers and caches go by."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(answer, Response):
            answer.render()
        patch_vary_headers(answer, VARIES_BY)
        for name, value in headers_of(request).items():
            answer[name] = value
        if request.method not in {"GET", "HEAD"} or answer.status_code != 200:
            answer["Cache-Control"] = "no-store"
            return answer
        if self.kept_under:
            caches["pages"].set(self.kept_under, answer.content, KEPT_SECONDS)
        answer["Cache-Control"] = "private, no-cache"
        answer["ETag"] = etag_of(answer.content)
        wanted = parse_etags(request.headers.get("If-None-Match", ""))
        if answer["ETag"] in [one.removeprefix("W/") for one in wanted] or wanted == ["*"]:
            kept = {name: answer[name] for name in KEPT_ON_304 if answer.has_header(name)}
            return HttpResponseNotModified(headers=kept)
        return answer

    def _look_for_kept(self, request: Request) -> None:
        """End the request where the same was asked before and nothing has changed; the caller was let in by now."""
        stamps: Mapping[str, Stamp] = getattr(self, "stamps", {})
        stamp = stamps.get(self.action)
        if stamp is None or request.method != "GET" or settings.DEBUG:
            return
        key = key_of(request._request, cast(User, request.user), stamp)  # noqa: SLF001 - what Django knows of it
        if (content := caches["pages"].get(key)) is not None:
            raise KeptAnswer(content)
        self.kept_under = key

    def _check_precondition(self, request: Request) -> None:
        wanted = parse_etags(request.headers["If-Match"])
        if lock := getattr(self, "lock_for_write", None):
            lock()
        if wanted != ["*"] and self._etag_now() not in wanted:
            raise PreconditionFailed

    def _etag_now(self) -> str:
        """Return the ETag that a GET of this address would have now; "" where it cannot be read."""
        reading = getattr(self, "action_map", {}).get("get")
        if not reading:
            return ""
        writing, action = self.request, self.action
        self.request, self.action = clone_request(writing, "GET"), reading
        try:
            shown: Response = getattr(self, reading)(self.request, *self.args, **self.kwargs)
        finally:
            self.request, self.action = writing, action
        renderer = writing.accepted_renderer
        shown_bytes = renderer.render(shown.data, writing.accepted_media_type, self.get_renderer_context())
        return etag_of(cast(bytes, shown_bytes))


def etag_of(content: bytes) -> str:
    """Return the strong ETag of rendered content."""
    return quote_etag(hashlib.sha256(content).hexdigest()[:32])


def kept_to(viewset: type[ViewSetMixin]) -> type[ViewSetMixin]:
    """Return the viewset with the contract before it, under its own name."""
    same = {"__doc__": viewset.__doc__, "__module__": viewset.__module__}
    return type(viewset.__name__, (Contract, viewset), same)
