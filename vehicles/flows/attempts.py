"""Link attempts: begun by one owner in one session, ended once, in the same session (RFC 9700)."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation import clock
from foundation.fields import keyed_hash
from foundation.refusals import Refusal
from foundation.words import Words
from vehicles import gateway
from vehicles.automakers.base import LinkBegin
from vehicles.models import LinkAttempt

ATTEMPT_LIFETIME = timedelta(minutes=10)
KEPT = timedelta(days=1)
STATE_BYTES = 12  # 16 characters: Ford takes no longer state

REASONS: dict[str, Words] = {
    "maker_not_offered": _("Cars of this maker cannot be linked here yet."),
    "session_missing": _("Your browser keeps no session. Please sign in again."),
    "link_kind_not_offered": _("This maker links in another way."),
    "link_state_unknown": _("This link was not started here. Please start again."),
    "link_state_foreign": _("This link was started in another session. Please start again here."),
    "link_state_used": _("This link was already used. Please start again."),
    "link_expired": _("This took longer than it may. Nothing was linked; please start again."),
    "link_replaced": _("A newer code was shown since. Please use that one."),
    "link_denied": _("You did not allow access on the maker's page. Nothing was linked."),
    "link_code_missing": _("The maker sent no permission back. Please start again."),
    "link_code_refused": _("The maker did not accept the permission. Please start again."),
    "maker_unreachable": _("The maker does not answer as it should. Nothing was linked; please try again later."),
    "no_cars": _("No electric car was shared. Start again and tick your car on the maker's page."),
    "account_elsewhere": _("This account is linked by somebody else here. They must unlink it first."),
    "return_url_not_allowed": _("This app may not be returned to. Ask us to put its https link on the list."),
    "ticket_unknown": _("This link is not known, or was used already. Go back to the app and start again."),
}


class UnableToLink(Refusal):
    """The account or car was not linked; nothing that existed was changed."""


def reason_text(code: str) -> str:
    """Return the sentence that a code stands for, in the reader's language; an unknown code reads generally."""
    return str(REASONS.get(code, REASONS["link_code_refused"]))


def refusal(code: str, *, field: str | None = None) -> UnableToLink:
    """Return the refusal that a code stands for."""
    return UnableToLink(reason_text(code), code=code, field=field)


@dataclass(frozen=True)
class OneTime:
    """The secrets of one attempt, as the maker and the browser carry them."""

    state: str
    code_verifier: str

    def begin(self, redirect_uri: str) -> LinkBegin:
        """Return what an adapter starts a link from."""
        return LinkBegin(state=self.state, code_verifier=self.code_verifier, redirect_uri=redirect_uri)


def make_one_time() -> OneTime:
    """Return a fresh state of 16 characters and a fresh verifier."""
    return OneTime(secrets.token_urlsafe(STATE_BYTES), secrets.token_urlsafe(48))


def check_may_begin(*, maker: str, session_key: str) -> None:
    """Raise UnableToLink for a maker that is not on offer, or somebody without a session."""
    if maker not in gateway.offered_makers():
        raise refusal("maker_not_offered", field="maker")
    if not session_key:
        raise refusal("session_missing")


def keep_attempt(*, owner: User, maker: str, session_key: str, once: OneTime, **fields: object) -> LinkAttempt:
    """Keep a new attempt, ten minutes alive unless told otherwise, and return it; attempts of old days go."""
    wall = clock.wall()
    LinkAttempt.objects.filter(expires_at__lt=wall - KEPT).delete()
    values: dict[str, object] = {"code_verifier": once.code_verifier, "expires_at": wall + ATTEMPT_LIFETIME}
    return LinkAttempt.objects.create(
        owner=owner,
        maker=maker,
        state_hash=keyed_hash(once.state),
        session_hash=keyed_hash(session_key),
        **(values | fields),
    )


def spend(attempt: LinkAttempt) -> LinkAttempt:
    """Mark the attempt as used and return it as it was; raises UnableToLink where it is expired or already used."""
    wall = clock.wall()
    if attempt.used_at is None and attempt.expires_at <= wall:
        raise refusal("link_expired")
    unused = LinkAttempt.objects.filter(pk=attempt.pk, used_at__isnull=True)
    if not unused.update(used_at=wall, code_verifier="", poll_at=None):
        raise refusal("link_state_used")
    return attempt


def check_session(attempt: LinkAttempt, *, owner: User, session_key: str) -> None:
    """Raise UnableToLink unless the attempt was begun by this owner in this session."""
    if attempt.owner_id != owner.pk or not attempt.is_begun_in(session_key):
        raise refusal("link_state_foreign")


def note_outcome(attempt: LinkAttempt, *, link_id: int | None = None, failure: str = "") -> None:
    """Keep what came of the attempt and forget its secrets."""
    LinkAttempt.objects.filter(pk=attempt.pk).update(
        link=link_id,
        failure=failure[:40],
        used_at=clock.wall(),
        poll_at=None,
        code_verifier="",
        device_code="",
        user_code="",
        answer="",
    )
    attempt.refresh_from_db()
