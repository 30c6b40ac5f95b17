"""Use-cases that span rooms: closing an account."""

import logging
import secrets
from datetime import datetime

from django.apps import apps
from django.db import transaction
from django.utils.translation import gettext

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, User
from chargescape.holdings import DELETED_UNSEEN, HOLDINGS, fields_of, rows_of
from foundation.refusals import Refusal
from grid.flows.programs.enrollment import end_enrollment
from grid.models import Enrollment, EnrollmentConfirmation, EventParticipation, Settlement, Site
from rewards import ledger
from rewards.flows.payouts import pay_now
from rewards.flows.statements import owner_currencies
from rewards.models import Payout, PayoutAccount
from vehicles.flows.links import revoke_link
from vehicles.models import HomeCharger, LinkAttempt, Vehicle, VehicleLink

logger = logging.getLogger(__name__)


class UnableToClose(Refusal):
    """The account stays open; nothing was forgotten yet."""


def close_account(*, owner: User, now: datetime) -> User:
    """Stop everything, pay what is owed, and then forget who the owner is; returns the user, who cannot sign in.

    Cars are let go and consents end at once, whatever happens next. While money is owed, on its way, or still being
    worked out, the account stays open and UnableToClose says what is waited for; calling again goes on. The ledger,
    settlements and payouts stay, under a public id that names nobody any more; holdings.py says what goes.
    """
    if owner.is_staff:
        raise UnableToClose(gettext("An admin's account is closed by another admin."), code="is_staff")
    _stop_everything(owner, now=now)
    _refuse_while_unsettled(owner)
    _pay_out(owner, now=now)
    _refuse_while_cars_leave(owner)
    with transaction.atomic():
        _forget(User.objects.select_for_update().get(pk=owner.pk), now=now)
    owner.refresh_from_db()
    return owner


def _stop_everything(owner: User, *, now: datetime) -> None:
    for enrollment in Enrollment.objects.filter(vehicle__owner=owner, ended_at__isnull=True):
        end_enrollment(enrollment=enrollment, now=now)
    LinkAttempt.objects.filter(owner=owner).delete()  # a code typed later must link nothing
    for link in VehicleLink.objects.filter(owner=owner).exclude(state=VehicleLink.State.REVOKED):
        revoke_link(link=link, now=now)
    for consent in Consent.objects.filter(user=owner, revoked_at__isnull=True):
        revoke_consent(user=owner, purpose=consent.purpose, now=now)


def _refuse_while_unsettled(owner: User) -> None:
    parts = EventParticipation.objects.filter(
        enrollment__vehicle__owner=owner,
        state__in=["in", "control"],
        event__cancelled_at__isnull=True,
        settlements__isnull=True,
    )
    unposted = Settlement.objects.filter(
        participation__enrollment__vehicle__owner=owner, posted_at__isnull=True, voided_at__isnull=True
    )
    if parts.exists() or unposted.exists():
        raise UnableToClose(
            gettext("An event of yours is still being worked out. Your cars are let go already; come back in a day."),
            code="unsettled",
        )


def _pay_out(owner: User, *, now: datetime) -> None:
    """Ask for whatever is owed, and refuse until it has arrived."""
    for currency in owner_currencies(owner):
        if ledger.owner_balance(owner, currency).available_minor > 0:
            try:
                pay_now(owner=owner, currency=currency, now=now)
            except Refusal as refusal:
                raise UnableToClose(
                    gettext("You still have money here, which we pay out first. {reason}").format(
                        reason=refusal.reason
                    ),
                    code="owed",
                ) from refusal
    waiting = Payout.objects.filter(account__owner=owner).exclude(state__in=["paid", "cancelled"])
    if waiting.exists():
        raise UnableToClose(
            gettext("Your money is on its way. Close the account once it has arrived at your bank."),
            code="payout_under_way",
        )


def _refuse_while_cars_leave(owner: User) -> None:
    if VehicleLink.objects.filter(owner=owner).exclude(state=VehicleLink.State.REVOKED).exists():
        raise UnableToClose(gettext("A car of yours is just being let go. Try again in a minute."), code="cars_leaving")


def _forget(user: User, *, now: datetime) -> None:
    for holding in HOLDINGS:
        if holding.is_deleted:
            holding.of(user).delete()
    for label in DELETED_UNSEEN:
        model = apps.get_model(label)
        owner = "user" if any(field.name == "user" for field in fields_of(model)) else "owner"
        rows_of(model).filter(**{owner: user}).delete()
    Site.objects.filter(owner=user).update(postal_code_prefix="", address="")
    named = EnrollmentConfirmation.objects.filter(enrollment__vehicle__owner=user)
    named.update(account_name="", service_account="")
    VehicleLink.objects.filter(owner=user).update(access_token="", refresh_token="", secrets="", subject_hash="")
    for charger in HomeCharger.objects.filter(link__owner=user):
        charger.external_id = charger.name = ""
        charger.external_id_hash = f"closed-{charger.pk}"
        charger.save(update_fields=["external_id", "name", "external_id_hash"])
    for vehicle in Vehicle.objects.filter(owner=user):
        # What was measured stays explainable; which car it was does not.
        vehicle.nickname = vehicle.vin = vehicle.vin_hash = vehicle.external_id = ""
        vehicle.external_id_hash, vehicle.is_controlling = f"closed-{vehicle.pk}", False
        vehicle.save(update_fields=["nickname", "vin", "vin_hash", "external_id", "external_id_hash", "is_controlling"])
    PayoutAccount.objects.filter(owner=user).update(is_paused=True, next_payout_at=None, refresh_at=None)
    user.email = f"closed-{secrets.token_hex(12)}@closed.invalid"
    user.name, user.is_active, user.time_zone = "", False, "UTC"
    user.set_unusable_password()
    user.save()
    logger.info("account %s closed at %s", user.public_id, now)
