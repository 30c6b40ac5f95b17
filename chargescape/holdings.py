"""Everything held about an owner: where it is, what it is for, what becomes of it when the account is closed.

The export, the privacy page and the end of an account follow this one list. A test walks every table that leads to an
owner and fails where one is missing here, so that a new table can't be forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Field, Model, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from vehicles.models import CallCount, Vehicle, VehicleLink


@dataclass(frozen=True)
class Topic:
    """One line of the privacy page. `is_kept`: after closing it stays, under a number that names nobody."""

    slug: str
    title: Promise
    purpose: Promise
    is_kept: bool


def rows_of(model: type[Model]) -> "QuerySet[Any, Any]":
    """Return every row of a model that is known by its label alone."""
    return model._default_manager.all()  # noqa: SLF001 - how Django names a model's manager


def fields_of(model: type[Model]) -> "Sequence[Field[Any, Any]]":
    """Return the columns of a model."""
    return model._meta.concrete_fields  # noqa: SLF001 - how Django names a model's columns


@dataclass(frozen=True)
class Holding:
    """One table. `owner`: the ways from a row to its owner, any of which counts.

    `without`: secrets and the marks of other people, never handed out. `decrypted`: what is kept encrypted and handed
    to its owner in clear. `computed`: properties that read packed columns. `is_deleted`: gone once the account closes.
    """

    label: str
    topic: str
    owner: tuple[str, ...]
    without: tuple[str, ...] = ()
    decrypted: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    is_deleted: bool = False
    rows: Callable[[User], Q] | None = None

    @property
    def model(self) -> type[Model]:
        """The table's model."""
        return apps.get_model(self.label)

    def of(self, user: User) -> "QuerySet[Any, Any]":
        """Return the rows about this owner, oldest first."""
        mine = Q()
        for path in self.owner:
            mine |= Q(**{path: user.pk})
        if self.rows is not None:
            mine = self.rows(user)
        return rows_of(self.model).filter(mine).order_by("pk")


TOPICS = (
    Topic("you", _("Who you are"), _("Signing in, writing to you, and your language, country and time zone."), False),
    Topic("agreements", _("What you agreed to"), _("Proof of what you allowed, and until when."), True),
    Topic("security", _("How you sign in"), _("Keeping others out of your account."), False),
    Topic("cars", _("Your cars and their links"), _("Knowing which car to charge, and asking its maker."), False),
    Topic("wishes", _("What you want of your cars"), _("Being ready when you leave."), False),
    Topic(
        "readings",
        _("What was read of your cars"),
        _("Planning, and showing you what happened. Charge, plug, and at home or not; never where else."),
        False,
    ),
    Topic("home", _("Your home"), _("What power costs there, and whether a car is at its plug."), False),
    Topic("plans", _("Plans, and what your cars were told"), _("Steering, and explaining it afterwards."), True),
    Topic(
        "events",
        _("Events and what your cars delivered"),
        _("Paying you, and proving to your utility what was delivered."),
        True,
    ),
    Topic("money", _("What you earned and were paid"), _("The books that tax law asks for."), True),
    Topic("notices", _("What we told you"), _("So that you can read it again."), False),
)


def _calls(user: User) -> Q:
    cars = [str(key) for key in Vehicle.objects.filter(owner=user).values_list("pk", flat=True)]
    links = [str(key) for key in VehicleLink.objects.filter(owner=user).values_list("pk", flat=True)]
    return Q(scope=CallCount.Scope.CAR, subject__in=cars) | Q(scope=CallCount.Scope.LINK, subject__in=links)


_CAR = ("vehicle__owner",)
_TOKENS = ("access_token", "refresh_token", "secrets")

# In the order in which they are deleted: what points at others goes before them.
HOLDINGS = (
    Holding("accounts.User", "you", ("pk",), without=("password",)),
    Holding("account.EmailAddress", "you", ("user",), is_deleted=True),
    Holding("accounts.Consent", "agreements", ("user",)),
    Holding("usersessions.UserSession", "security", ("user",), without=("session_key",), is_deleted=True),
    Holding("mfa.Authenticator", "security", ("user",), without=("data",), is_deleted=True),
    Holding("accounts.NoticeAct", "notices", ("user",), is_deleted=True),
    Holding("accounts.NoticeDelivery", "notices", ("notice__user",), is_deleted=True),
    Holding("accounts.NoticeSettings", "notices", ("user",), is_deleted=True),
    Holding("accounts.NoticeSwitch", "notices", ("user",), is_deleted=True),
    Holding("accounts.PushDevice", "notices", ("user",), without=("endpoint", "auth", "p256dh"), is_deleted=True),
    Holding("accounts.Notice", "notices", ("user",), is_deleted=True),
    Holding("vehicles.CallCount", "readings", (), rows=_calls, is_deleted=True),
    Holding("grid.StaySaving", "readings", ("plug_session__vehicle__owner",), is_deleted=True),
    Holding("grid.PlugReminder", "plans", _CAR, is_deleted=True),
    Holding("grid.PlanningState", "plans", _CAR, is_deleted=True),
    Holding("vehicles.PlugSession", "readings", _CAR, is_deleted=True),
    Holding("vehicles.ChargeReading", "readings", _CAR, is_deleted=True),
    Holding("vehicles.ForeignSign", "readings", _CAR, is_deleted=True),
    Holding("vehicles.ChargeLimit", "wishes", _CAR, is_deleted=True),
    Holding("vehicles.ChargeOverride", "wishes", _CAR, is_deleted=True),
    Holding("vehicles.Departure", "wishes", ("preference__vehicle__owner",), is_deleted=True),
    Holding("vehicles.DatedDeparture", "wishes", _CAR, is_deleted=True),
    Holding("vehicles.ChargePreference", "wishes", _CAR, is_deleted=True),
    Holding("vehicles.HomePlace", "home", ("owner",), decrypted=("latitude", "longitude"), is_deleted=True),
    Holding("grid.Plan", "plans", _CAR, computed=("problem", "solution"), is_deleted=True),
    Holding("vehicles.Vehicle", "cars", ("owner",), decrypted=("external_id", "vin")),
    Holding("vehicles.VehicleLink", "cars", ("owner",), without=_TOKENS),
    Holding("vehicles.HomeCharger", "cars", ("link__owner",), decrypted=("external_id",)),
    Holding("grid.Site", "home", ("owner",), decrypted=("address",)),
    Holding("vehicles.Command", "plans", _CAR),
    Holding("grid.Dispatch", "plans", _CAR),
    Holding("grid.ProgramElsewhere", "home", ("owner",), also=("program__name",), is_deleted=True),
    Holding(
        "grid.EnrollmentConfirmation",
        "events",
        ("enrollment__vehicle__owner",),
        without=("taken_by",),
        decrypted=("account_name", "service_account"),
    ),
    Holding(
        "grid.OperatorResource",
        "events",
        ("enrollment__vehicle__owner",),
        also=("program__program__utility__name",),
        is_deleted=True,
    ),
    Holding("grid.Enrollment", "events", _CAR, also=("program__name",)),
    Holding(
        "grid.EventParticipation",
        "events",
        ("enrollment__vehicle__owner",),
        also=("event__kind", "event__starts_at", "event__ends_at", "event__reward_micros_per_kwh"),
    ),
    Holding("grid.Settlement", "events", ("participation__enrollment__vehicle__owner",)),
    Holding("grid.Measurement", "events", ("participation__enrollment__vehicle__owner",)),
    Holding("rewards.Earning", "money", ("owner",)),
    Holding("rewards.PayoutAccount", "money", ("owner",)),
    Holding("rewards.Payout", "money", ("account__owner",)),
    Holding("rewards.PayoutApproval", "money", ("payout__account__owner",)),
    Holding("rewards.LedgerAccount", "money", ("owner",)),
    Holding("rewards.Transfer", "money", ("debit__owner", "credit__owner")),
    Holding("rewards.ChainLink", "money", ("transfer__debit__owner", "transfer__credit__owner")),
    Holding("grid.UtilityMember", "you", ("user",), also=("utility__name",)),
    Holding("chargescape.AccountClosing", "you", ("user",)),
)

# Tables that lead to a user and are not handed out, each with the reason.
WITHHELD = {
    "account.EmailConfirmation": "one-time keys of an address being confirmed; unused, codes are sent instead",
    "admin.LogEntry": "what staff did in the administration; a staff member's, never an owner's",
    "chargescape.DataExport": "the exports themselves",
    "chargescape.SyncPoint": "how far an app had copied what is handed out anyway; forgotten by itself",
    "chargescape.WriteKey": "repeats of an app's own requests, for a day; the answers are handed out where they belong",
    "grid.Dispute": "what a utility's and the platform's people wrote about a group's result; names no owner",
    "grid.ControlDraw": "who was drawn to be left alone in an event, by random ids; the owner's parts say it, too",
    "grid.EventApproval": "which staff member approved a utility's event",
    "grid.EventProgress": "what all cars of an event gave together while it ran",
    "grid.EventReminder": "that those who take part in an event were reminded; what each was told are their notices",
    "grid.SeriesUpload": "a file of prices or carbon and which of the staff loaded it",
    "grid.GridEvent": "a utility's request for everybody; its part for the owner stands with their participation",
    "grid.GroupSettlement": "what all cars of an event delivered together; the owner's share is their settlement",
    "grid.Invoice": "what a utility pays for all cars together, and which of the staff sent it",
    "grid.InvoiceLine": "one event or month on a utility's invoice, of all cars together",
    "grid.InvoicePosting": "which postings a utility was invoiced for; the owner's own are their transfers",
    "grid.LoadHistory": "what all cars of an event took together on earlier days",
    "grid.OperatorAsk": "how a utility's server named its event",
    "grid.OperatorReport": "the sum over all cars that a utility was told",
    "grid.OperatorReportRequest": "which reports a utility's server wants",
    "grid.Rehearsal": "a program tried out on recorded days of many cars, without their names",
    "rewards.PayoutPause": "which staff member resumed payouts",
    "rewards.ReconciliationFinding": "our accountants' comparison with the processor's books; names no owner",
    "vehicles.StopOrder": "which of the staff stopped everything, and which of them lifted it",
    "vehicles.LinkAttempt": "one-time secrets of a link under way; what came of it is the link",
}
# Withheld, and gone with the account all the same.
DELETED_UNSEEN = ("chargescape.DataExport", "chargescape.SyncPoint", "chargescape.WriteKey", "vehicles.LinkAttempt")
