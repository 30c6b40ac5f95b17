"""Smartcar's error objects and the door of its API: one token of the app, and the owner's user id in a header."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from allauth.idp.oidc.models import Token
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox.makers.access import RETRY_AFTER_SECONDS, Refused, refuse_outage
from sandbox.makers.models import Grant, Maker
from sandbox.world import config

P = ParamSpec("P")
RETRY, REAUTHENTICATE, SUPPORT = "RETRY_LATER", "REAUTHENTICATE", "CONTACT_SUPPORT"
PLAIN = {
    401: ("AUTHENTICATION", "UNAUTHORIZED", SUPPORT),
    403: ("AUTHENTICATION", "ACCESS_DENIED", REAUTHENTICATE),
    404: ("CONNECTED_SERVICES_ACCOUNT", "VEHICLE_MISSING", SUPPORT),
    429: ("RATE_LIMIT", "SMARTCAR_API", RETRY),
    503: ("SERVER", "INTERNAL", RETRY),
}


class Failure(Exception):
    """Smartcar answers with an error object."""

    def __init__(self, status: int, kind: str, code: str, *, resolution: str = RETRY) -> None:
        self.status, self.kind, self.code, self.resolution = status, kind, code, resolution
        super().__init__(f"{kind} {code}")

    def as_json(self) -> dict[str, Any]:
        """Return the error object in its envelope."""
        what = {"type": self.kind, "code": self.code, "title": f"{self.kind} {self.code}", "status": self.status}
        return {"errors": [what | {"resolution": {"type": self.resolution}}]}


def user_id_of(user: User) -> str:
    """Return what Smartcar calls the user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{config.PUBLIC_URL}/smartcar/users/{user.pk}"))


def answer_failure(failure: Failure) -> JsonResponse:
    """Return the error as a response."""
    answer = JsonResponse(failure.as_json(), status=failure.status)
    if failure.status == 429:
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def api(view: Callable[Concatenate[HttpRequest, list[Grant], P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let `view` see only requests with the app's token, and the grants in force of the user in the header."""

    @csrf_exempt  # bearer tokens, no cookies
    @wraps(view)
    def guarded(request: HttpRequest, maker: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        row = Maker.objects.get(slug=maker)
        try:
            refuse_outage(row)
            _check_app(request)
            if row.is_garbled:
                return HttpResponse("<html><title>Maintenance</title>")
            return view(request, _grants_of(row, request.headers.get("sc-user-id", "")), *args, **kwargs)
        except Failure as failure:
            return answer_failure(failure)
        except Refused as refused:
            kind, code, resolution = PLAIN.get(refused.status, ("SERVER", "INTERNAL", RETRY))
            return answer_failure(Failure(refused.status, kind, code, resolution=resolution))

    return guarded


def _check_app(request: HttpRequest) -> None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    token = Token.objects.lookup_by_value([Token.Type.ACCESS_TOKEN], value) if scheme.lower() == "bearer" else None
    if token is None or token.client_id != config.client_of("smartcar").client_id:
        raise Refused(401, "Unauthorized")


def _grants_of(maker: Maker, user_id: str) -> list[Grant]:
    """Return the user's grants, newest first; refuses a user who withdrew what was granted."""
    found = [grant for grant in maker.grants.select_related("owner") if user_id_of(grant.owner) == user_id]
    live = [grant for grant in found if grant.revoked_at is None]
    if found and not live:
        raise Failure(400, "CONNECTED_SERVICES_ACCOUNT", "AUTHENTICATION_FAILED", resolution=REAUTHENTICATE)
    return live
