"""What owners agree to: texts by version, receipts that can be taken back at any time."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import get_language, gettext

from accounts import agreements
from accounts.models import Consent, User
from foundation.refusals import Refusal


class UnableToConsent(Refusal):
    """Nothing was agreed to or taken back."""


@dataclass(frozen=True)
class ConsentText:
    """One version of what the owner reads before agreeing; paragraphs are parted by an empty line."""

    version: str
    title: str
    body: str
    language: str = agreements.ENGLISH

    @property
    def sha256(self) -> str:
        """The fingerprint of exactly this text, kept on each receipt."""
        return hashlib.sha256(f"{self.version}\n{self.title}\n{self.body}".encode()).hexdigest()

    @property
    def paragraphs(self) -> list[str]:
        """The body as paragraphs, for pages."""
        return self.body.split("\n\n")


# The texts in force, in English; `text_of` knows the other languages.
CURRENT_TEXTS: dict[str, ConsentText] = {
    purpose: ConsentText(version, *agreements.TEXTS[agreements.ENGLISH][purpose])
    for purpose, version in agreements.VERSIONS.items()
}


def text_of(purpose: str, language: str = "") -> ConsentText:
    """Return the text in force for one purpose in a language (the reader's where none is named; else English).

    Refuses a purpose that nobody asks for.
    """
    if purpose not in CURRENT_TEXTS:
        raise UnableToConsent(gettext("There is no such agreement."), code="unknown_purpose", field="purpose")
    english = CURRENT_TEXTS[purpose]
    spoken = (language or get_language() or agreements.ENGLISH).lower()
    if spoken == agreements.ENGLISH or spoken not in agreements.TEXTS:
        return english
    return ConsentText(english.version, *agreements.TEXTS[spoken][purpose], spoken)


def is_in_force(receipt: Consent) -> bool:
    """Say whether the receipt is for the text in force, in whichever language it was read."""
    texts = (text_of(receipt.purpose, language) for language in agreements.TEXTS)
    return receipt.text_sha256 in {text.sha256 for text in texts}


def has_consent(user: User, purpose: str) -> bool:
    """Say whether the user agrees to the purpose now, under whichever version they read."""
    return Consent.objects.filter(user=user, purpose=purpose, revoked_at__isnull=True).exists()


def grant_consent(*, user: User, purpose: str, now: datetime, language: str = "") -> Consent:
    """Record that the user agrees to the text in force, as read in `language` (theirs now), and return the receipt.

    Agreeing twice keeps the first receipt; agreeing to a newer text closes the older receipt. Raises
    UnableToConsent for an unknown purpose.
    """
    text = text_of(purpose, language)
    try:
        with transaction.atomic():
            given = Consent.objects.filter(user=user, purpose=purpose, revoked_at__isnull=True).first()
            if given and is_in_force(given):
                return given
            if given:
                _close(given, now)
            return Consent.objects.create(
                user=user,
                purpose=purpose,
                version=text.version,
                language=text.language,
                text_sha256=text.sha256,
                granted_at=now,
            )
    except IntegrityError:  # a second click came first; its receipt is the one
        return Consent.objects.get(user=user, purpose=purpose, revoked_at__isnull=True)


def revoke_consent(*, user: User, purpose: str, now: datetime) -> Consent:
    """Take the user's agreement back and return the closed receipt; the receipt itself is kept.

    Raises UnableToConsent where there is nothing to take back. What follows from it (cars released, plans dropped)
    belongs to the rooms above, which ask `has_consent` before they act.
    """
    text_of(purpose)
    given = Consent.objects.filter(user=user, purpose=purpose, revoked_at__isnull=True).first()
    if given is None:
        raise UnableToConsent(
            gettext("You have not agreed to this, so there is nothing to take back."), code="not_given"
        )
    _close(given, now)
    return given


def _close(consent: Consent, now: datetime) -> None:
    consent.revoked_at = max(now, consent.granted_at)  # a clock set back must not break the receipt
    consent.save(update_fields=["revoked_at"])
