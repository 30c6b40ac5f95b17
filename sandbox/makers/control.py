"""The control API of a maker: outages, expired tokens, consents withdrawn on the maker's side."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from sandbox.makers.deliverer import SWITCHES
from sandbox.makers.grants import expire_access_tokens, revoke_grant
from sandbox.makers.models import Delivery, Grant, Maker
from sandbox.world.bodies import BadBody, read_flag, read_number, read_object, refuse_bad_bodies

FAULTS = {
    "apiDown": "is_api_down",
    "rateLimited": "is_rate_limited",
    "tokenDown": "is_token_endpoint_down",
    "garbled": "is_garbled",
}
ONCE = ("expireAccessTokens", "revokeGrantsOf", "webhooks")


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
    answer |= {"webhooks": row.webhook_faults, "tallies": tallies}
    return JsonResponse(answer | {"maker": maker, "grants": [_describe(grant) for grant in grants]})


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
    if "webhooks" in body:
        maker.webhook_faults = _read_webhooks(body["webhooks"])
        maker.save(update_fields=["webhook_faults"])


def _read_webhooks(wanted: Any) -> dict[str, Any]:
    """Return the webhook's switches as they shall stand from now on: what is not named is off."""
    if not isinstance(wanted, dict) or set(wanted) - {*SWITCHES, "lateSeconds", "url"}:
        raise BadBody(f"webhooks takes {', '.join(SWITCHES)}, lateSeconds and url")
    switches: dict[str, Any] = {name: read_flag(wanted, name) for name in SWITCHES if name in wanted}
    late = {"lateSeconds": read_number(wanted, "lateSeconds", least=0, most=3600)} if "lateSeconds" in wanted else {}
    return switches | late | ({"url": str(wanted["url"])} if wanted.get("url") else {})


@require_safe
def list_deliveries(request: HttpRequest, maker: str) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Return the latest events that the maker pushed or means to push, newest first."""
    rows = Maker.objects.get(slug=maker).deliveries.order_by("-pk")[:200]
    return JsonResponse([_describe_delivery(row) for row in rows], safe=False)


def _describe_delivery(row: Delivery) -> dict[str, Any]:
    return {
        "eventId": row.event_id,
        "body": row.body,
        "attempts": row.attempts,
        "delivered": row.delivered_at is not None,
        "waiting": row.next_attempt_at is not None,
        "failure": row.failure,
    }


def _describe(grant: Grant) -> dict[str, Any]:
    return {
        "account": grant.owner.username,
        "clientId": grant.client_id,
        "vehicleIds": [car.vehicle_id for car in grant.cars.all()],
        "grantedAt": grant.granted_at.isoformat(),
        "revokedAt": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }
