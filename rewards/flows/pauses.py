"""The pause that keeps all payouts from leaving, and its end: by a person, never by itself."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.statements import Once
from rewards.models import PayoutPause, Reconciliation, ReconciliationFinding
from rewards.refusals import UnableToPayOut

PAUSED = _(
    "All payouts are paused, because our daily comparison with our payment partner's books found a difference that a "
    "person has to explain first. Your balance is safe and keeps growing. You need do nothing: payouts go on by "
    "themselves after that, and what is waiting leaves then."
)


_IN_FORCE = Once[PayoutPause](lambda _owner, _at: PayoutPause.objects.filter(resumed_at__isnull=True)[:1])
NOBODY = 0  # whose key is asked for where the answer is everybody's


def payouts_are_paused() -> bool:
    """Return whether nothing may be paid to anybody just now."""
    return PayoutPause.objects.filter(resumed_at__isnull=True).exists()


def current_pause() -> PayoutPause | None:
    """Return the pause in force, or None."""
    return next(iter(_IN_FORCE.of(NOBODY)), None)


def refuse_while_paused() -> None:
    """Raise UnableToPayOut, in words for the owner, while payouts are paused."""
    if payouts_are_paused():
        raise UnableToPayOut(str(PAUSED), code="payouts_paused")


def pause_payouts(*, reason: str, now: datetime, reconciliation: Reconciliation | None = None) -> PayoutPause:
    """Pause all payouts and return the pause; the first reason stands where they are paused already."""
    return PayoutPause.objects.get_or_create(
        resumed_at__isnull=True,
        processor="stripe",
        defaults={"reason": reason[:200], "paused_at": now, "reconciliation": reconciliation},
    )[0]


def open_findings() -> Sequence[ReconciliationFinding]:
    """Return the differences that no admin has accepted, each once, newest first."""
    found: dict[tuple[str, str], ReconciliationFinding] = {}
    for finding in ReconciliationFinding.objects.filter(accepted_at__isnull=True).select_related("payout"):
        found.setdefault((finding.kind, finding.subject), finding)
    return list(found.values())


def resume_payouts(*, pause: PayoutPause, by: User, note: str, seen: int, now: datetime) -> PayoutPause:
    """Let payouts go on, on a person's word; returns the pause.

    The differences up to the row `seen` (its primary key) count as explained by `note` and pause payouts no more; the
    rows stay as they are. Raises UnableToPayOut without a note, for a person who may not, where nothing is paused,
    and where differences were found that the person has not seen.
    """
    if not by.has_perm("rewards.change_payout"):
        raise UnableToPayOut(gettext("You may not resume payouts."), code="not_allowed")
    if not note.strip():
        raise UnableToPayOut(gettext("Write down what explains the differences."), code="note_missing", field="note")
    unaccepted = ReconciliationFinding.objects.filter(accepted_at__isnull=True)
    with transaction.atomic():
        if unaccepted.filter(pk__gt=seen).exists():
            raise UnableToPayOut(
                gettext("New differences were found meanwhile. Look at them first."), code="new_findings"
            )
        ended = PayoutPause.objects.filter(pk=pause.pk, resumed_at__isnull=True).update(
            resumed_at=now, resumed_by=by, note=note.strip()[:200]
        )
        if not ended:
            raise UnableToPayOut(gettext("Payouts are not paused."), code="not_paused")
        unaccepted.update(accepted_at=now, accepted_by=by, note=note.strip()[:200])
    pause.refresh_from_db()
    return pause
