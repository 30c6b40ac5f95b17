"""What an owner lets the utility know so that it can say whose account a home's is, and asking it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from accounts.flows.notices import notify
from grid.flows.programs.fitting import UnableToEnroll
from grid.models import Enrollment, EnrollmentConfirmation

MOST_NAME, MOST_ACCOUNT = 120, 40


@dataclass(frozen=True)
class Shared:
    """The owner's agreement to hand name, address and account to the utility, and what they are."""

    account_name: str
    service_account: str


def ask_utility(*, enrollment: Enrollment, shared: Shared | None, now: datetime) -> EnrollmentConfirmation:
    """Note that the enrollment waits for the utility's word, tell the owner, and return it.

    Where the owner shares nothing, the utility gets a number that names nobody, and has to know the owner by itself.
    Raises UnableToEnroll for a name or an account that cannot be one.
    """
    known = _checked(shared) if shared else None
    row = EnrollmentConfirmation.objects.create(
        enrollment=enrollment,
        asked_at=now,
        shared_at=now if known else None,
        account_name=known.account_name if known else "",
        service_account=known.service_account if known else "",
    )
    program = enrollment.program
    notify(
        user=enrollment.vehicle.owner,
        kind="enrollment_waiting",
        key=f"enrollment_waiting:{enrollment.public_id}",
        params={"vehicle": str(enrollment.vehicle), "program": program.name, "utility": program.utility.name},
        now=now,
    )
    return row


def _checked(shared: Shared) -> Shared:
    name, account = (" ".join(text.split()) for text in (shared.account_name, shared.service_account))
    if not name or len(name) > MOST_NAME:
        raise UnableToEnroll(
            gettext("Tell us the name on your utility's bill."), code="account_name_missing", field="account_name"
        )
    is_plain = account.replace("-", "").replace(" ", "").isalnum() and account.isascii()
    if len(account) > MOST_ACCOUNT or not is_plain:
        raise UnableToEnroll(
            gettext("Tell us the account number on your utility's bill: letters, digits, spaces and hyphens."),
            code="service_account_unreadable",
            field="service_account",
        )
    return Shared(name, account)
