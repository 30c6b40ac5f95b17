"""Where a utility's server rings when something changed. A ring is a hint to look; what it says is not believed."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from foundation import clock
from grid.flows.operators.operators import ring
from grid.models import OperatorLink

LONGEST_ECHO = 200


@csrf_exempt  # a server's call: the bearer token stands for it
@require_http_methods(["GET", "POST"])
def operator_bell(request: HttpRequest, link: UUID, echo: str = "") -> HttpResponse:  # noqa: ARG001 - in the path
    """Answer the echo challenge of a subscription (GET), or look at the server soon (POST with its bearer token)."""
    row = get_object_or_404(OperatorLink, public_id=link, is_active=True)
    if request.method == "GET":
        # OpenADR 3.1: GET {callback}?echo=<random>; the reference server asks at {callback}/echo?echo=<random>.
        word = request.GET.get("echo", "")
        is_plain = 0 < len(word) <= LONGEST_ECHO and word.isascii() and word.replace("-", "").isalnum()
        return HttpResponse(word, content_type="text/plain") if is_plain else HttpResponse(status=400)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_known = bool(row.push_token) and scheme.lower() == "bearer" and constant_time_compare(token, row.push_token)
    if not is_known:
        return HttpResponse(status=401)
    ring(link=row, now=clock.now())
    return HttpResponse(status=204)
