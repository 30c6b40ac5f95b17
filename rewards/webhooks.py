"""The address to which the payment processor pushes messages: a plain view, as its sender is no user of ours."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from foundation import clock
from rewards.flows.webhooks import receive_webhook
from rewards.refusals import UnableToReceive


@csrf_exempt
@require_POST
@transaction.non_atomic_requests
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Keep one signed message and answer 200 at once; 400 for anything that is not signed, and nothing is kept."""
    try:
        receive_webhook(raw_body=request.body, signature=request.headers.get("Stripe-Signature", ""), now=clock.now())
    except UnableToReceive as refusal:
        return HttpResponse(refusal.reason_code, status=400, content_type="text/plain")
    return HttpResponse(status=200)
