"""What makes the pages an app: manifest, service worker, and the page that shows when there is no network.

None of them knows who is looking: what a browser keeps of them is the same for everybody.
"""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

GREEN, PAPER = "#0b6a4c", "#f5f7f3"
KEPT = ("css/tokens.css", "css/base.css", "css/layout.css", "css/components.css", "icons/icon.svg", "mark.svg")
HOUR = 3600


def _asked_language(request: HttpRequest) -> str:
    """Return the language that the address names, else what the browser asks for."""
    asked = request.GET.get("lang", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language_from_request(request)


@require_safe
@cache_control(public=True, max_age=HOUR)
def manifest(request: HttpRequest) -> HttpResponse:
    """Describe the app to browsers that install it (W3C Web Application Manifest)."""
    language = _asked_language(request)
    with translation.override(language):
        answer = JsonResponse(_manifest(language), json_dumps_params={"ensure_ascii": False})
    answer["Content-Type"] = "application/manifest+json"
    answer["Vary"] = "Accept-Language"
    return answer


def _manifest(language: str) -> dict[str, Any]:
    shortcuts = (
        (gettext("Tonight"), reverse("dashboard")),
        (gettext("Events"), reverse("events")),
        (gettext("Earnings"), reverse("earnings")),
    )
    return {
        "id": "/",
        "name": "ChargeScape",
        "short_name": "ChargeScape",
        "description": gettext("Your parked car earns money when it helps the grid, and is ready when you leave."),
        "lang": language,
        "start_url": reverse("dashboard"),
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": GREEN,
        "icons": [
            {"src": static("icons/icon.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": static("icons/icon-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": static("icons/icon-512.png"), "sizes": "512x512", "type": "image/png"},
            {"src": static("icons/maskable-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        ],
        "shortcuts": [{"name": name, "url": url} for name, url in shortcuts],
    }


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """Return the service worker with the list of what it keeps; browsers ask for it anew each time."""
    language = _asked_language(request)
    offline = f"{reverse('offline')}?lang={language}"
    kept = [offline, *(static(name) for name in KEPT)]
    config = {
        "version": hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12],
        "kept": kept,
        "offline": offline,
        "static": settings.STATIC_URL,
        "icon": static("icons/icon-192.png"),
        "badge": static("icons/badge-96.png"),
        "home": reverse("notices"),
    }
    # Written without the request, so that it can know nothing of who is looking.
    script = render_to_string("pwa/sw.js", {"config": json.dumps(config)})
    answer = HttpResponse(script, content_type="text/javascript")
    answer["Cache-Control"] = "no-cache"
    answer["Service-Worker-Allowed"] = "/"
    return answer


@require_safe
@cache_control(public=True, max_age=HOUR)
def offline(request: HttpRequest) -> HttpResponse:
    """Say that there is no network; the one page that a browser keeps."""
    language = _asked_language(request)
    with translation.override(language):
        return HttpResponse(render_to_string("pwa/offline.html", {"language": language}))
