"""One click from a notice: signed, for a while, once. What the click then does is said by the rooms above."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts.flows.notices import no_news_after
from accounts.models import Notice, NoticeAct, User
from accounts.notice_actions import ACTIONS, STOP_DIGEST, STOP_EMAIL
from accounts.notice_kinds import kind_of
from foundation.refusals import Refusal

SALT = "accounts.notice"
VALID_FOR = timedelta(days=7)
STOPS = frozenset({STOP_EMAIL, STOP_DIGEST})
STOPS_VALID_FOR = timedelta(days=90)  # mailboxes show their own "unsubscribe" for as long as the mail lies there


class UnableToAct(Refusal):
    """The click did nothing."""


@dataclass(frozen=True)
class Click:
    """What a token asks for: one action of one user, about a notice (None: about a day's digest)."""

    user: User
    action: str
    about: str
    notice: Notice | None


def make_token(*, user: User, action: str, about: str) -> str:
    """Return what lets its holder do `action` once for the user, `about` a notice's public id or a digest's day."""
    return signing.dumps([user.public_id.hex, action, about], salt=SALT)


def read_token(token: str) -> Click:
    """Return what the token asks for; raises UnableToAct for one that is not ours, too old, or about nothing."""
    try:
        user_id, action, about = signing.loads(token, salt=SALT, max_age=STOPS_VALID_FOR)
        if action not in STOPS:
            signing.loads(token, salt=SALT, max_age=VALID_FOR)
        owner_id, notice_id = UUID(user_id), None if action == STOP_DIGEST else UUID(about)
    except signing.SignatureExpired as error:
        raise UnableToAct(
            gettext("This link is too old. Sign in to do the same from your notices."), code="expired"
        ) from error
    except (signing.BadSignature, ValueError, TypeError, AttributeError) as error:
        raise UnableToAct(
            gettext("This link is not complete. Open it from the message once more."), code="bad_token"
        ) from error
    user = User.objects.filter(public_id=owner_id, is_active=True).first()
    notice = Notice.objects.select_related("user").filter(user=user, public_id=notice_id).first() if notice_id else None
    if user is None or action not in ACTIONS or (notice is None and notice_id is not None):
        raise UnableToAct(gettext("What this link was about is no longer there."), code="gone")
    return Click(user, action, about, notice)


def click_on(notice: Notice, action: str) -> Click:
    """Return the click of an owner who is signed in; raises UnableToAct for what the notice does not offer."""
    if action not in {*kind_of(notice.kind).actions, STOP_EMAIL}:
        raise UnableToAct(gettext("This notice offers no such thing."), code="unknown_action", field="action")
    return Click(notice.user, action, str(notice.public_id), notice)


@contextmanager
def used_once(click: Click, *, now: datetime) -> Iterator[None]:
    """Use the click up for the block; where the block refuses, it may be tried again.

    Raises UnableToAct for one that was used before.
    """
    with transaction.atomic():
        try:
            with transaction.atomic():
                NoticeAct.objects.create(user=click.user, action=click.action, about=click.about, acted_at=now)
        except IntegrityError as error:
            raise UnableToAct(gettext("This was done before. Nothing was changed again."), code="used") from error
        yield


def is_used(click: Click) -> bool:
    """Tell whether the click was used before."""
    return NoticeAct.objects.filter(user=click.user, action=click.action, about=click.about).exists()


def offered_actions(notice: Notice, *, now: datetime) -> list[str]:
    """Return what one click from the notice can still do at `now`, clicks that were used included."""
    over_at = no_news_after(notice)
    if over_at is not None and over_at <= now:
        return []
    return [action for action in kind_of(notice.kind).actions if notice.params.get(ACTIONS[action].needs)]


def used_actions(notices: list[Notice]) -> set[tuple[str, str]]:
    """Return (action, notice's public id) of the clicks that were used, for the notices of one user."""
    abouts = [str(notice.public_id) for notice in notices]
    rows = NoticeAct.objects.filter(user__in={notice.user_id for notice in notices}, about__in=abouts)
    return set(rows.values_list("action", "about"))
