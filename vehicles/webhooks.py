"""The addresses to which makers push: plain views, as their senders are no users of ours."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from foundation import clock
from vehicles.flows.pushes import MOST_BODY_BYTES, UnableToReceive, receive_push


@csrf_exempt
@require_POST
@transaction.non_atomic_requests
def maker_webhook(request: HttpRequest, maker: str) -> HttpResponse:
    """Apply one signed message and answer as its sender expects; 400 for anything not signed, and nothing is kept."""
    raw_body = request.read(MOST_BODY_BYTES + 1)
    try:
        reply = receive_push(maker=maker, headers=request.headers, raw_body=raw_body, now=clock.now())
    except UnableToReceive as refusal:
        status = {"too_long": 413, "not_expected": 404}.get(refusal.reason_code, 400)
        return HttpResponse(refusal.reason_code, status=status, content_type="text/plain")
    return HttpResponse(status=200) if reply is None else JsonResponse(dict(reply))
