"""The challenge with which Smartcar makes sure that whoever listens knows the management token."""

import hashlib
import hmac
import secrets

import requests
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sandbox.makers.deliverer import targets
from sandbox.makers.dialects.smartcar.api import write_instant
from sandbox.makers.dialects.smartcar.webhooks import WEBHOOK
from sandbox.world import clock


# Exempt from CSRF: it changes nothing here.
@csrf_exempt
@require_POST
def verify(request: HttpRequest, maker: str) -> HttpResponseBase:  # noqa: ARG001 - a view's signature
    """Challenge the listener as the dashboard's "Verify this webhook" does; says whether it answered rightly."""
    target = targets().get(maker)
    if target is None:
        return JsonResponse({"error": "nobody listens: SANDBOX_SMARTCAR_WEBHOOK_URL is not set"}, status=409)
    challenge = secrets.token_urlsafe(24)
    meta = WEBHOOK | {"deliveredAt": write_instant(clock.wall())}
    event = {"eventId": secrets.token_hex(8), "eventType": "VERIFY", "data": {"challenge": challenge}, "meta": meta}
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(target.url, json=event, timeout=15, allow_redirects=False)
    expected = hmac.new(target.secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()
    try:
        answered = reply.json().get("challenge") if reply.ok else None
    except ValueError:
        answered = None
    return JsonResponse({"verified": answered == expected, "status": reply.status_code})
