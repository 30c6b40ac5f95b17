"""What owners agree to: texts by version, receipts that can be taken back at any time."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

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

    @property
    def sha256(self) -> str:
        """The fingerprint of exactly this text, kept on each receipt."""
        return hashlib.sha256(f"{self.version}\n{self.title}\n{self.body}".encode()).hexdigest()

    @property
    def paragraphs(self) -> list[str]:
        """The body as paragraphs, for pages."""
        return self.body.split("\n\n")


# A changed word is a new version: receipts name the version and the fingerprint of what the owner read.
CURRENT_TEXTS: dict[str, ConsentText] = {
    Consent.Purpose.DATA_USE: ConsentText(
        version="2026-11",
        title="Read my car's charge, plug and home state",
        body=(
            "ChargeScape asks your car's maker, a few times an hour, for four things: how full the battery is, whether "
            "the car is plugged in, whether it is charging (and its energy meter, where it has one), and whether it is "
            "at the home you told us.\n\n"
            "We use them to plan your charging, to show you what happened, and to work out what you earned. Your "
            'position is only compared with your home: when the car is somewhere else we keep "not at home", and '
            "never where.\n\n"
            "We do not read trips, speed or driving style, and we do not sell your data. Your utility receives what a "
            "car delivered under a number that means nothing elsewhere, without your name or the car's identification "
            "number.\n\n"
            "You can take this back at any time. We then stop reading your car at once, and it charges as if we were "
            "not there. Records of energy and money that were already earned are kept as long as tax law asks."
        ),
    ),
    Consent.Purpose.GRID_PARTICIPATION: ConsentText(
        version="2026-11",
        title="Let the grid steer my car's charging",
        body=(
            "While your car is plugged in at home, ChargeScape may move its charging to hours when power is cheap or "
            "clean, and pause it when your utility asks for help. If you also switch on giving energy back (V2G) for a "
            "car whose charger and agreement allow it, we may send energy from its battery to the grid, never below "
            "the reserve that you set.\n\n"
            "Your departure comes first: the car is ready at your time with the charge you asked for, as far as the "
            'time at the plug allows. "Charge now" and "skip tonight" always win over the grid, and you may leave '
            "out any event without giving a reason and without a penalty.\n\n"
            "Every pause ends by itself or is ended by us within minutes, even if our systems fail. Charging at other "
            "hours does not wear the battery more; giving energy back adds some wear, which is why it is off until "
            "you switch it on.\n\n"
            "You are paid for what was measured, by the program's published rate, and every payment shows how it was "
            "worked out. You can take this back at any time: the car then charges at once whenever it is plugged in, "
            "and money already earned stays yours."
        ),
    ),
}


def text_of(purpose: str) -> ConsentText:
    """Return the text in force for one purpose; refuses a purpose that nobody asks for."""
    try:
        return CURRENT_TEXTS[purpose]
    except KeyError:
        raise UnableToConsent("There is no such agreement.", code="unknown_purpose", field="purpose") from None


def has_consent(user: User, purpose: str) -> bool:
    """Say whether the user agrees to the purpose now, under whichever version they read."""
    return Consent.objects.filter(user=user, purpose=purpose, revoked_at__isnull=True).exists()


def grant_consent(*, user: User, purpose: str, now: datetime) -> Consent:
    """Record that the user agrees to the text in force, and return the receipt.

    Agreeing twice keeps the first receipt; agreeing to a newer text closes the older receipt. Raises
    UnableToConsent for an unknown purpose.
    """
    text = text_of(purpose)
    try:
        with transaction.atomic():
            given = Consent.objects.filter(user=user, purpose=purpose, revoked_at__isnull=True).first()
            if given and given.text_sha256 == text.sha256:
                return given
            if given:
                _close(given, now)
            return Consent.objects.create(
                user=user, purpose=purpose, version=text.version, text_sha256=text.sha256, granted_at=now
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
        raise UnableToConsent("You have not agreed to this, so there is nothing to take back.", code="not_given")
    _close(given, now)
    return given


def _close(consent: Consent, now: datetime) -> None:
    consent.revoked_at = max(now, consent.granted_at)  # a clock set back must not break the receipt
    consent.save(update_fields=["revoked_at"])
