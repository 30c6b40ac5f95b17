"""OpenADR 3 over HTTP, 3.1.0 and 3.0.1 beside each other on the same objects.

Judged in the tests by the Alliance's description. What 3.0.1 has otherwise: resources below their VEN, targets as
objects of type and values, a report's programID, no objectType in the bodies of VENs and resources.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox.vtn import events, store
from sandbox.vtn.models import Body, VtnClient, VtnFault, VtnObject
from sandbox.vtn.store import Problem
from sandbox.world import clock

Kind = VtnObject.Kind
OLD = "3.0.1"
TOKEN_LIFE = timedelta(hours=1)
MOST_ROWS = 50
FLOOD = 10_000
MEGABYTE = 2**20
PATHS = {
    "programs": Kind.PROGRAM,
    "events": Kind.EVENT,
    "reports": Kind.REPORT,
    "vens": Kind.VEN,
    "resources": Kind.RESOURCE,
    "subscriptions": Kind.SUBSCRIPTION,
}
FILTERS = ("programID", "eventID", "clientName", "venName", "venID", "resourceName")


def _answer_problem(problem: Problem) -> JsonResponse:
    body = {"type": "about:blank", "title": problem.detail, "status": problem.status, "detail": problem.detail}
    answer = JsonResponse(body, status=problem.status)
    if problem.status == 429:
        answer["Retry-After"] = "30"
    return answer


def _guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @csrf_exempt  # bearer tokens, no cookies
    def guarded(request: HttpRequest, version: str, **rest: str) -> HttpResponseBase:
        try:
            faults = VtnFault.in_force(clock.now())
            if "stall" in faults:
                time.sleep(min(faults["stall"].seconds, 60))
            if "outage" in faults:
                raise Problem(503, "the server is down")
            if "rate_limit" in faults:
                raise Problem(429, "too many requests")
            return view(request, version, faults, **rest)
        except Problem as problem:
            return _answer_problem(problem)

    return guarded


@_guarded
def show_auth_server(request: HttpRequest, version: str, faults: dict[str, VtnFault]) -> HttpResponseBase:  # noqa: ARG001
    """Say where tokens are fetched."""
    return JsonResponse({"tokenURL": request.build_absolute_uri(f"/vtn/{version}/auth/token")})


@_guarded
def give_token(request: HttpRequest, version: str, faults: dict[str, VtnFault]) -> HttpResponseBase:  # noqa: ARG001
    """Trade a client's credentials (form-encoded) for a token of an hour."""
    form = request.POST
    client_id = form.get("client_id") or form.get("clientID") or ""
    client = VtnClient.objects.filter(client_id=client_id).first()
    given = form.get("client_secret") or form.get("clientSecret") or ""
    if client is None or not secrets.compare_digest(given, client.client_secret):
        raise Problem(401, "unknown client")
    if form.get("grant_type") != "client_credentials":
        raise Problem(400, "grant_type must be client_credentials")
    client.token, client.token_until = secrets.token_urlsafe(24), clock.wall() + TOKEN_LIFE
    client.save(update_fields=["token", "token_until"])
    answer: Body = {"access_token": client.token, "token_type": "Bearer"}
    if "loose_stamps" not in faults:
        answer["expires_in"] = int(TOKEN_LIFE.total_seconds())
    return JsonResponse(answer)


def _client_of(request: HttpRequest, faults: dict[str, VtnFault]) -> VtnClient:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    client = VtnClient.objects.filter(token=token, token_until__gt=clock.wall()).first() if token else None
    if client is None or scheme.lower() != "bearer" or "unauthorized" in faults:
        raise Problem(401, "no valid token")
    return client


@_guarded
def collection(
    request: HttpRequest, version: str, faults: dict[str, VtnFault], *, objects: str, ven: str = ""
) -> HttpResponseBase:
    """List objects (GET) or make one (POST)."""
    client, kind = _client_of(request, faults), PATHS[objects]
    if request.method == "POST":
        body = _read(request, version) | ({"venID": ven} if ven else {})
        made = store.create(kind, body, client)
        if kind == Kind.REPORT and "forgetful" in faults:
            raise Problem(500, "something went wrong")
        return JsonResponse(_show(made, version, faults), status=201)
    if request.method != "GET":
        raise Problem(405, "GET or POST")
    rows = [_show(row, version, faults) for row in store.seen_by(client, kind)]
    wanted = {name: request.GET[name] for name in FILTERS if name in request.GET} | ({"venID": ven} if ven else {})
    rows = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    if kind == Kind.EVENT:
        now = clock.now()
        rows = [row for row in rows if request.GET.get("active") != "true" or not events.is_over(row, now)]
        rows = _spoil(rows, faults)
    skip, limit = _count(request, "skip", 0, 10**6), _count(request, "limit", MOST_ROWS, MOST_ROWS)
    page = rows[skip : skip + limit]
    if kind != Kind.EVENT:
        return JsonResponse(page, safe=False)
    if "endless" in faults and rows:
        page = [rows[place % len(rows)] for place in range(limit)]
    return _send(json.dumps(page), faults)


def _send(text: str, faults: dict[str, VtnFault]) -> HttpResponseBase:
    """Return a list of events as the faults in force leave it on its way."""
    if "cut" in faults:
        text = text[: max(1, len(text) // 2)]
    if "huge" in faults:
        return StreamingHttpResponse((" " * MEGABYTE for _ in range(100)), content_type="application/json")
    if "trickle" in faults:
        seconds = faults["trickle"].seconds
        return StreamingHttpResponse(_trickle(text, seconds), content_type="application/json")
    return HttpResponse(text, content_type="application/json")


def _trickle(text: str, seconds: float) -> Iterator[str]:
    for letter in text:
        time.sleep(min(seconds, 5))
        yield letter


@_guarded
def single(
    request: HttpRequest, version: str, faults: dict[str, VtnFault], *, objects: str, identity: str, ven: str = ""
) -> HttpResponseBase:
    """Show (GET), replace (PUT) or delete (DELETE) one object."""
    client = _client_of(request, faults)
    row = store.find(PATHS[objects], identity, client)
    if request.method == "PUT":
        row = store.change(row, _read(request, version) | ({"venID": ven} if ven else {}), client)
    elif request.method == "DELETE":
        shown = _show(row, version, faults)
        store.drop(row, client)
        return JsonResponse(shown)
    elif request.method != "GET":
        raise Problem(405, "GET, PUT or DELETE")
    return JsonResponse(_show(row, version, faults))


def _read(request: HttpRequest, version: str) -> Body:
    """Return the body in 3.1's words; raises Problem."""
    try:
        body = json.loads(request.body or b"")
    except ValueError:
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body is no object")
    if version == OLD and isinstance(body.get("targets"), list):
        body["targets"] = [
            str(value) for target in body["targets"] if isinstance(target, dict) for value in target.get("values", [])
        ]
    return body


def _show(row: VtnObject, version: str, faults: dict[str, VtnFault]) -> Body:
    stamp = (lambda at: at.strftime("%Y-%m-%d %H:%M:%S")) if "loose_stamps" in faults else store.rfc3339
    shown = store.describe(row, stamp=stamp)
    if version != OLD:
        return shown
    if shown.get("targets"):
        shown["targets"] = [{"type": "GROUP", "values": shown["targets"]}]
    shown.pop("clientID", None)
    return shown


def _spoil(rows: list[Body], faults: dict[str, VtnFault]) -> list[Body]:
    """Return the events as the faults in force leave them."""
    if "empty" in faults:
        return []
    if "imposter" in faults:
        rows = [row | {"programID": "somebody-elses"} for row in rows]
    if "renaming" in faults:
        rows = [row | {"id": f"{row['id'][:8]}-{secrets.token_hex(4)}"} for row in rows]
    if "malformed" in faults:
        rows = [row | {"intervalPeriod": {"start": "soon", "duration": "an hour"}} for row in rows]
    if "flood" in faults and rows:
        rows = rows + [rows[0] | {"id": f"flood-{place}"} for place in range(FLOOD)]
    return rows


def _count(request: HttpRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text[:9]) <= most):
        raise Problem(400, f"{name} is a count of at most {most}")
    return int(text)
