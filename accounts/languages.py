"""In which language pages speak: the owner's choice, else the cookie of the menu, else what the browser asks for."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.flows.profiles import UnableToSaveProfile, checked_language, save_profile
from accounts.models import User

# Staff's pages and the reference for developers are in English for everybody.
ENGLISH_ALONE = ("/admin/", "/api/schema/", "/api/docs/")


class OwnerLanguage:
    """Activates what the signed-in owner chose; stands after authentication, below Django's own `LocaleMiddleware`.

    That one has by then looked at cookie and browser, and afterwards names the active language in `Content-Language`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request in the right language."""
        chosen = "en" if request.path.startswith(ENGLISH_ALONE) else getattr(request.user, "language", "")
        if chosen:
            translation.activate(chosen)
            request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language: in a cookie, and for who is signed in with the account. "" is the browser's again."""
    answer = redirect(_way_back(request))
    try:
        language = checked_language(request.POST.get("language", ""))
    except UnableToSaveProfile as refusal:
        messages.error(request, refusal.reason)
        return answer
    if isinstance(request.user, User):
        save_profile(user=request.user, language=language)
    if language:
        _set_cookie(answer, language)
    else:
        answer.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return answer


def _set_cookie(answer: HttpResponse, language: str) -> None:
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


def _way_back(request: HttpRequest) -> str:
    """Return the page from which the menu was used, if it is one of ours."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours and wanted.startswith("/") else reverse("home_page")
