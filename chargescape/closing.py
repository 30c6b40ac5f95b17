"""An owner's wish to be forgotten: kept, carried out as soon as nothing is owed any more, and taken back until then."""

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.core.mail import send_mail
from django.utils import translation
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargescape.flows import UnableToClose, close_account
from chargescape.owner_asks import AccountClosing

logger = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(hours=1)
LOOK_SOON = timedelta(minutes=5)  # cars are let go within minutes
# How long records of money stay at the least. US: the Internal Revenue Service's Publication 583 names up to seven
# years; Canada: six years from the end of the tax year (Income Tax Act, section 230(4)).
KEPT_YEARS = {"US": 7, "CA": 6}

WAITING = {
    "unsettled": _("An event of yours is still being worked out. That takes a day at most."),
    "owed": _(
        "We still owe you money and cannot pay it out yet. Set up payouts, or resume them; then it goes to your bank, "
        "and your account closes by itself."
    ),
    "payout_under_way": _("Your money is on its way to your bank. Your account closes once it has arrived."),
    "cars_leaving": _("A car of yours is just being let go. That takes minutes."),
}


def request_closing(*, owner: User, now: datetime) -> AccountClosing:
    """Close the owner's account, at once where nothing is owed, else as soon as nothing is; returns the wish.

    Cars are let go and agreements end at once in any case. Raises UnableToClose for an admin.
    """
    if owner.is_staff:
        close_account(owner=owner, now=now)  # refuses, and says why
    wish, _is_new = AccountClosing.objects.get_or_create(user=owner, defaults={"requested_at": now, "try_at": now})
    return _go_on(wish, now=now)


def withdraw_closing(*, owner: User, now: datetime) -> None:
    """Take the wish back while it waits; cars and agreements that ended stay ended. Raises UnableToClose."""
    del now
    if not AccountClosing.objects.filter(user=owner, closed_at__isnull=True).delete()[0]:
        raise UnableToClose(str(_("Your account is not being closed.")), code="not_closing")


def open_wish(owner: User) -> AccountClosing | None:
    """Return the owner's wish that waits, or None."""
    return AccountClosing.objects.filter(user=owner, closed_at__isnull=True).first()


def waiting_text(wish: AccountClosing) -> str:
    """Return what the wish waits for, for its owner."""
    return str(WAITING.get(wish.waiting_for, ""))


def close_due_accounts(*, now: datetime, limit: int) -> int:
    """Go on with the wishes that wait; returns how many accounts were closed."""
    due = AccountClosing.objects.filter(closed_at__isnull=True, try_at__lte=now).select_related("user")
    closed = 0
    for wish in due.order_by("try_at")[:limit]:
        try:
            closed += _go_on(wish, now=now).closed_at is not None
        except Exception:
            logger.exception("account of wish %s could not be closed", wish.pk)
            AccountClosing.objects.filter(pk=wish.pk).update(try_at=now + LOOK_AGAIN)
    return closed


def _go_on(wish: AccountClosing, *, now: datetime) -> AccountClosing:
    email, language, country = wish.user.email, wish.user.language, wish.user.country
    try:
        close_account(owner=wish.user, now=now)
    except UnableToClose as refusal:
        wish.waiting_for = refusal.reason_code
        wish.try_at = now + (LOOK_SOON if refusal.reason_code == "cars_leaving" else LOOK_AGAIN)
        wish.save(update_fields=["waiting_for", "try_at"])
    else:
        wish.waiting_for, wish.closed_at = "", now
        wish.save(update_fields=["waiting_for", "closed_at"])
        _say_goodbye(email, language=language, years=KEPT_YEARS[country])
    return wish


def _say_goodbye(email: str, *, language: str, years: int) -> None:
    """Write one last letter, for an account that closes by itself while its owner is elsewhere."""
    with translation.override(language or "en"):
        subject = gettext("Your account is deleted")
        kept = ngettext(
            "What your cars delivered and what you were paid stays in our books for at least %(years)s year, as tax "
            "law asks, under a number that names nobody.",
            "What your cars delivered and what you were paid stays in our books for at least %(years)s years, as tax "
            "law asks, under a number that names nobody.",
            years,
        ) % {"years": years}
        forgotten = gettext("Your cars charge by themselves again, and we have forgotten who you are.")
    try:
        send_mail(f"ChargeScape: {subject}", f"{forgotten}\n\n{kept}\n\nChargeScape\n", None, [email])
    except (SMTPException, OSError) as error:
        # The account is gone either way; nobody is left to whom the letter could be sent again.
        logger.warning("the letter after closing was not sent: %s", type(error).__name__)
