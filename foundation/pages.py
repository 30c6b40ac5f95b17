"""What every owner's page does: sign-in asked for, times in the owner's zone, nothing kept by any cache."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import SuspiciousOperation
from django.forms import BaseForm
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from foundation.refusals import Refusal

AT_DESK = "desk"  # in a session: at which utility's desk the person works
Args = ParamSpec("Args")
Person = TypeVar("Person", bound=AbstractBaseUser)
View = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]
Page = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]


def owner_page(view: View[Args]) -> Page[Args]:
    """Wrap a view of a signed-in owner: local times, and `no-store`, so that nothing personal outlives the session."""

    @wraps(view)
    def page(request: HttpRequest, /, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
        if any("\x00" in word for _name, words in request.POST.lists() for word in words):
            raise SuspiciousOperation("A form holds a NUL byte, which no text may.")  # and no database takes
        zone: ZoneInfo = request.user.zone  # type: ignore[union-attr]  # login_required stands before
        with timezone.override(zone):
            answer = view(request, *args, **kwargs)
        answer["Cache-Control"] = "no-store, private"
        return answer

    return login_required(page)


def owner_read(view: View[Args]) -> Page[Args]:
    """Wrap an owner's page that only reads."""
    return require_safe(owner_page(view))


def owner_action(view: View[Args]) -> Page[Args]:
    """Wrap an owner's action: POST alone changes anything."""
    return require_POST(owner_page(view))


@contextmanager
def refusals_as_messages(request: HttpRequest, *, success: str = "") -> Iterator[None]:
    """Show a flow's refusal as a message on the next page; where none came, show `success`."""
    try:
        yield
    except Refusal as refusal:
        messages.error(request, refusal.reason)
    else:
        if success:
            messages.success(request, success)


def add_refusal(form: BaseForm, refusal: Refusal) -> None:
    """Put a flow's refusal on the form: at its field where the form has that field, else at the top."""
    field: Any = refusal.field if refusal.field in form.fields else None
    form.add_error(field, refusal.reason)


def is_part(request: HttpRequest) -> bool:
    """Say whether a page asks for a part of itself rather than for a whole page."""
    return "HX-Request" in request.headers


def signed_in(request: HttpRequest, model: type[Person]) -> Person:
    """Return the signed-in user as `model`; only for views behind `owner_page`, which keeps strangers out."""
    if not isinstance(request.user, model):
        raise TypeError("This view is not behind owner_page.")
    return request.user
