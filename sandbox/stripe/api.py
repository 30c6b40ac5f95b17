"""The API's one door: key, route, faults, parameters, idempotency, effect, answer - in Stripe's order."""

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox.stripe import bank, faults, idempotency
from sandbox.stripe.bank import ONE_WRITER
from sandbox.stripe.calls import Call, Operation
from sandbox.stripe.errors import StripeError, insufficient_balance
from sandbox.stripe.events import Cause
from sandbox.stripe.expansion import expand
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, Fault
from sandbox.stripe.operations import OPERATIONS
from sandbox.stripe.params import check, decode_form
from sandbox.stripe.wire import API_VERSION
from sandbox.world import clock, config

MAX_BODY_BYTES = 100_000
MAX_SLOW_SECONDS = 30.0
KNOWS_NO_BANK = {"transfers.create"}  # draws on the platform's balance, which no payment to a bank touches
AFTER_EFFECT = (Fault.Kind.CUT, Fault.Kind.TRUNCATED, Fault.Kind.SHORT)


@dataclass(frozen=True)
class Reply:
    """An answer before it goes on the wire."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Asked(NamedTuple):
    """What a call asks for, and what may go wrong with it."""

    operation: Operation
    ids: dict[str, str]
    faults: faults.Switched


@csrf_exempt  # programs call it, with a key of their own
def door(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer one call of the API, or break it as the faults say."""
    request_id, asked = new_id("req"), None
    try:
        _authenticate(request)
        asked = _route(request.method or "", path)
        reply = _answer(request, path, asked, request_id)
    except StripeError as error:
        reply = Reply(error.status, json.dumps(error.body(is_v2=path.startswith("v2/"))), error.headers)
    wire = _respond(reply, request_id, request.headers.get("Idempotency-Key", ""))
    return _broken(request, asked.faults, wire) if asked and reply.status == 200 else wire


def _answer(request: HttpRequest, path: str, asked: Asked, request_id: str) -> Reply:
    """Run the operation once, under its idempotency key where it has one."""
    operation = asked.operation
    _refuse_before(asked)
    params = _params(request, operation)
    account = _account(request)
    key = request.headers.get("Idempotency-Key", "") if operation.method == "POST" else ""
    scope = account.object_id if account else ""
    if key:
        digest = idempotency.request_hash(operation.method, path, params)
        known = idempotency.begin(
            key=key, scope=scope, digest=digest, request_id=request_id, is_v2=operation.is_v2, wall=clock.wall()
        )
        if known is not None:
            return Reply(
                known.status, known.body, {"Idempotent-Replayed": "true", "Original-Request": known.request_id}
            )
    try:
        slow = asked.faults.take(Fault.Kind.SLOW)
        time.sleep(min(slow.seconds, MAX_SLOW_SECONDS) if slow else 0)
        now = clock.now()
        if operation.name not in KNOWS_NO_BANK:
            bank.run_due(now=now)
        return _run(asked, Call(params, asked.ids, account, now, Cause(request_id, key)), key=key, scope=scope)
    except Exception:
        idempotency.forget(key=key, scope=scope)
        raise


def _run(asked: Asked, call: Call, *, key: str, scope: str) -> Reply:
    """Let the effect and the memory of its answer happen together."""
    operation = asked.operation
    # Faults are used up outside the transaction: a refusal rolls it back.
    fails_before = asked.faults.take(Fault.Kind.SERVER_ERROR)
    fails_after = asked.faults.take(Fault.Kind.SERVER_ERROR_AFTER)
    is_poor = asked.faults.take(Fault.Kind.INSUFFICIENT)
    try:
        if fails_before:
            raise _server_error()
        if is_poor:
            raise insufficient_balance()
        with ONE_WRITER, transaction.atomic():
            answer = expand(operation.answer(call), call.params.get("expand", []), now=call.now)
            reply = _refusal(_server_error(), operation) if fails_after else Reply(200, _dump(answer, operation))
            idempotency.finish(key=key, scope=scope, status=reply.status, body=reply.body)
    except StripeError as error:
        reply = _refusal(error, operation)
        if operation.is_v2:
            idempotency.forget(key=key, scope=scope)
        else:
            idempotency.finish(key=key, scope=scope, status=reply.status, body=reply.body)
    return reply


def _dump(answer: dict[str, Any], operation: Operation) -> str:
    return json.dumps(answer, indent=None if operation.is_v2 else 2)


def _refusal(error: StripeError, operation: Operation) -> Reply:
    return Reply(error.status, _dump(error.body(is_v2=operation.is_v2), operation))


def _authenticate(request: HttpRequest) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    is_known = key == config.STRIPE_KEY if config.STRIPE_KEY else key.startswith(("sk_test_", "rk_test_"))
    if not is_known:
        raise StripeError(f"Invalid API Key provided: {key[:8]}{'*' * 8}", status=401)


def _route(method: str, path: str) -> Asked:
    for operation in OPERATIONS:
        match = _pattern(operation.pattern).fullmatch(path)
        if match and operation.method == method:
            return Asked(operation, match.groupdict(), faults.Switched(operation.name))
    raise StripeError(
        f"Unrecognized request URL ({method}: /{path}). This pretend Stripe knows what a payout platform needs.",
        status=404,
        code="not_found" if path.startswith("v2/") else "",
    )


@lru_cache(maxsize=128)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))


def _refuse_before(asked: Asked) -> None:
    if asked.faults.take(Fault.Kind.RATE_LIMITED):
        raise StripeError(
            "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
            status=429,
            kind="rate_limit" if asked.operation.is_v2 else "invalid_request_error",
            code="rate_limit",
        )
    if asked.faults.take(Fault.Kind.CONFLICT):
        raise StripeError(
            "This object cannot be accessed right now because another API request or Stripe process is currently "
            "accessing it.",
            status=409,
            code="lock_timeout",
        )


def _params(request: HttpRequest, operation: Operation) -> dict[str, Any]:
    if operation.method == "GET":
        return check(decode_form(request.META.get("QUERY_STRING", "")), operation.spec, is_form=True)
    if len(request.body) > MAX_BODY_BYTES:
        raise StripeError("The request is too large.", status=413)
    try:
        text = request.body.decode()
        given = (json.loads(text) if text else {}) if operation.is_v2 else decode_form(text)
    except ValueError as error:
        raise StripeError("Invalid request body.", code="invalid_fields") from error
    if operation.is_v2 and "Stripe-Version" not in request.headers:
        raise StripeError("The Stripe-Version header is required.", code="missing_version")
    if not isinstance(given, dict):
        raise StripeError("The body is not an object.", code="invalid_fields")
    return check(given, operation.spec, is_form=not operation.is_v2)


def _account(request: HttpRequest) -> Account | None:
    object_id = request.headers.get("Stripe-Account") or request.headers.get("Stripe-Context")
    if not object_id:
        return None
    account = Account.objects.filter(object_id=object_id).first()
    if account is None:
        raise StripeError(
            f"The provided key does not have access to account '{object_id}' (or that account does not exist). "
            "Application access may have been revoked.",
            status=403,
            code="account_invalid",
        )
    return account


def _server_error() -> StripeError:
    return StripeError("An unknown error occurred.", status=500, kind="api_error")


def _respond(reply: Reply, request_id: str, key: str) -> HttpResponse:
    response = HttpResponse(reply.body, status=reply.status, content_type="application/json")
    response["Request-Id"] = request_id
    response["Stripe-Version"] = API_VERSION
    if key:
        response["Idempotency-Key"] = key
    for name, value in reply.headers.items():
        response[name] = value
    return response


def _broken(request: HttpRequest, switched: faults.Switched, response: HttpResponse) -> HttpResponseBase:
    """Return the answer, or what a fault leaves of it."""
    kind = next((kind for kind in AFTER_EFFECT if switched.take(kind)), None)
    if kind is None:
        return response
    half = response.content[: len(response.content) // 2]
    if kind == Fault.Kind.TRUNCATED:
        response.content = half
        return response
    connection: socket.socket | None = request.META.get("gunicorn.socket")
    if kind == Fault.Kind.CUT:
        _hang_up(connection)
        return response
    short = StreamingHttpResponse(_then_hang_up(half, connection), content_type="application/json")
    short["Content-Length"] = str(len(response.content))
    return short


def _then_hang_up(half: bytes, connection: socket.socket | None) -> Iterator[bytes]:
    yield half
    _hang_up(connection)


def _hang_up(connection: socket.socket | None) -> None:
    if connection is None:
        raise ConnectionAbortedError("the connection was cut on purpose")
    connection.shutdown(socket.SHUT_RDWR)
