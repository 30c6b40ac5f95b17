"""Answers kept for a moment: what was made for an owner counts again while nothing that it shows has changed.

Every answer is kept under its owner, what was asked, the language, the minute of the clock, and the stamp of the rows
it shows. So a change makes another key at once, whoever made it, and nobody has to throw anything away; what is no
longer asked for is forgotten after `KEPT_SECONDS`. Nothing here reaches a browser's cache: pages stay `no-store`.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.messages import get_messages
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language

from foundation import clock
from foundation.stamps import Stamp

Args = ParamSpec("Args")
View = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]

KEPT_SECONDS = 90  # wall time; a page is of one minute, and clocks may stand still
_UNSEEN = frozenset({"password", "last_login"})


def kept_page(stamp: Stamp) -> Callable[[View[Args]], View[Args]]:
    """Wrap an owner's page so that it is rendered once a state of what it shows; stands below `owner_read`.

    A page with messages waiting is neither taken from what is kept nor kept, nor is an answer marked by `unkept`.
    """

    def wrap(view: View[Args]) -> View[Args]:
        @wraps(view)
        def page(request: HttpRequest, /, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
            if settings.DEBUG or len(get_messages(request)):
                return view(request, *args, **kwargs)
            owner: Any = request.user
            key = key_of(request, owner, stamp)
            content: bytes | None = caches["pages"].get(key)
            if content is None:
                request.csrf_stand_in = _stand_in()  # type: ignore[attr-defined]  # read by the shell of every page
                answer = view(request, *args, **kwargs)
                if not isinstance(answer, HttpResponse):
                    return answer
                content = answer.content
                if answer.status_code == 200 and not getattr(answer, "is_unkept", False):
                    caches["pages"].set(key, content, KEPT_SECONDS)
            else:
                answer = HttpResponse()
            answer.content = _with_token(content, request)
            return answer

        return page

    return wrap


def unkept(answer: HttpResponse) -> HttpResponse:
    """Mark an answer that shows more than its stamp watches."""
    answer.is_unkept = True  # type: ignore[attr-defined]  # read by `kept_page` alone
    return answer


def key_of(request: HttpRequest, owner: AbstractBaseUser, stamp: Stamp) -> str:
    """Return the key under which the answer to this very question is kept; one query."""
    now = clock.now()
    asked = (request.scheme, request.get_host(), request.get_full_path(), request.headers.get("HX-Request", ""))
    fields = [field.attname for field in owner._meta.concrete_fields if field.attname not in _UNSEEN]  # noqa: SLF001
    seen_by = (get_language(), *(str(getattr(owner, name)) for name in fields), *_said_in(request))
    at = (now.replace(second=0, microsecond=0).isoformat(), clock.rate())
    made_by = (settings.DEMO_SANDBOX_URL, getattr(staticfiles_storage, "manifest_hash", ""))
    state = stamp.of(owner.pk, at=now)
    return f"kept:{owner.pk}:{hashlib.sha256(repr((asked, seen_by, at, made_by, state)).encode()).hexdigest()}"


def _said_in(request: HttpRequest) -> list[str]:
    """Return what the session holds besides who is signed in: pages may show it."""
    return sorted(f"{name}={value!r}" for name, value in request.session.items() if not name.startswith("_auth_"))


def _stand_in() -> str:
    """Return what stands in kept pages where each answer has its own token."""
    return salted_hmac("foundation.keeping", "token").hexdigest()


def _with_token(content: bytes, request: HttpRequest) -> bytes:
    stand_in = _stand_in().encode()
    return content.replace(stand_in, get_token(request).encode()) if stand_in in content else content
