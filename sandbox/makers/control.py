"""The control API of a maker: outages, expired tokens, consents withdrawn on the maker's side."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sandbox.makers.grants import expire_access_tokens, revoke_grant
from sandbox.makers.models import Grant, Maker
from sandbox.world.bodies import BadBody, read_flag, read_object, refuse_bad_bodies

FAULTS = {
    "apiDown": "is_api_down",
    "rateLimited": "is_rate_limited",
    "tokenDown": "is_token_endpoint_down",
    "garbled": "is_garbled",
}
ONCE = ("expireAccessTokens", "revokeGrantsOf")


# Exempt from CSRF: PATCH from another origin needs a preflight, which nobody here answers.
@csrf_exempt
@require_http_methods(["GET", "PATCH"])
@refuse_bad_bodies
def control_maker(request: HttpRequest, maker: str) -> HttpResponseBase:
    """Show the maker's faults and grants; PATCH sets faults, expires tokens or revokes an account's grants."""
    row = Maker.objects.get(slug=maker)
    if request.method == "PATCH":
        _patch(row, read_object(request))
    grants = row.grants.select_related("owner").prefetch_related("cars")[:500]
    answer = {name: getattr(row, column) for name, column in FAULTS.items()}
    tallies = {tally.kind: tally.count for tally in row.tallies.all()}
    return JsonResponse(answer | {"maker": maker, "grants": [_describe(grant) for grant in grants], "tallies": tallies})


def _patch(maker: Maker, body: dict[str, Any]) -> None:
    unknown = set(body) - {*FAULTS, *ONCE}
    if unknown:
        raise BadBody(f"unknown: {', '.join(sorted(unknown))}")
    for name, column in FAULTS.items():
        if name in body:
            setattr(maker, column, read_flag(body, name))
    maker.save()
    if "expireAccessTokens" in body and read_flag(body, "expireAccessTokens"):
        expire_access_tokens(maker)
    if "revokeGrantsOf" in body:
        for grant in maker.grants.filter(owner__username=str(body["revokeGrantsOf"]), revoked_at=None)[:100]:
            revoke_grant(grant)


def _describe(grant: Grant) -> dict[str, Any]:
    return {
        "account": grant.owner.username,
        "clientId": grant.client_id,
        "vehicleIds": [car.vehicle_id for car in grant.cars.all()],
        "grantedAt": grant.granted_at.isoformat(),
        "revokedAt": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }
