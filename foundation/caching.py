"""What browsers may keep: nothing that a signed-in person was shown, whoever's code made the page."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase


class NothingPersonalKept:
    """Adds `no-store` where a page for somebody signed in says nothing of caches; stands after authentication.

    Pages of our own say it themselves; those of libraries (second factors, recovery codes) do not, and the browser's
    way back would show them after signing out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        answer = self.get_response(request)
        if not answer.has_header("Cache-Control") and request.user.is_authenticated:
            answer["Cache-Control"] = "no-store, private"
        return answer
