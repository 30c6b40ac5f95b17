"""The people of a utility: invited by staff, bound to one utility, with an account of their own."""

from collections.abc import Iterable
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils.translation import gettext

from accounts.models import User
from foundation.refusals import Refusal
from grid.models import Utility, UtilityMember


class UnableToInvite(Refusal):
    """Nobody was invited."""


def member_of(user: User) -> UtilityMember | None:
    """Return the person's standing membership with its utility, or None."""
    found = UtilityMember.objects.filter(user=user, ended_at__isnull=True).select_related("utility")
    return found.first() if user.is_active else None


@transaction.atomic
def invite_member(
    *, email: str, name: str, utility: Utility, role: str, invited_by: User | None, now: datetime
) -> UtilityMember:
    """Make an account without a password for one of the utility's people, and return the membership.

    They choose a password by the e-mail that the caller sends, and a second factor before they see anything. Raises
    UnableToInvite for an address that an account has: owners and staff keep their own accounts apart.
    """
    address = email.strip().lower()
    if role not in UtilityMember.Role.values:
        raise UnableToInvite(gettext("There is no such role."), code="unknown_role", field="role")
    if User.objects.filter(email=address).exists():
        raise UnableToInvite(
            gettext("This address has an account already. A utility's people need one of their own."),
            code="address_taken",
            field="email",
        )
    country = utility.country if utility.country in User.Country.values else User.Country.US
    user = User.objects.create_user(address, None, name=name, country=country, time_zone=utility.time_zone)
    # Staff vouches for the address; the e-mail that sets the password proves it.
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    return UtilityMember.objects.create(user=user, utility=utility, role=role, invited_by=invited_by, invited_at=now)


def end_membership(*, member: UtilityMember, now: datetime) -> UtilityMember:
    """Let the person see nothing of the utility any more; ending again changes nothing."""
    if member.ended_at is None:
        member.ended_at = now
        member.save(update_fields=["ended_at"])
    return member


def people_of(utility: Utility) -> Iterable[int]:
    """Return the keys of the users who are to be told news of the utility."""
    standing = UtilityMember.objects.filter(utility=utility, ended_at__isnull=True, user__is_active=True)
    return standing.values_list("user", flat=True)
