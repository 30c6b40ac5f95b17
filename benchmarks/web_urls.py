"""The platform's addresses and an empty view beside them, for the benchmark of pages."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from chargescape.urls import urlpatterns as platform


def empty(request: HttpRequest) -> HttpResponse:
    """Answer nothing, through the same middleware, to the same signed-in caller."""
    del request
    return HttpResponse()


urlpatterns = [path("empty/", empty), *platform]
