"""What changed for one owner since a cursor: for apps that keep a copy.

A cursor names what the app knew: each object's id beside a fingerprint of its state. What is true now is compared with
that, kind by kind. So nothing is lost however writes overlap: a change that commits after its kind was looked at is
found by the next comparison, whoever wrote it and however.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.core import signing
from django.core.cache import caches
from django.db import IntegrityError, models, transaction
from django.db.models import Max, QuerySet

from accounts.models import Consent, Notice, User
from chargescape.api.problems import CursorExpired, CursorUnknown
from chargescape.models import SyncPoint
from foundation import clock
from foundation.keeping import KEPT_SECONDS
from foundation.stamps import Stamp, Watched
from grid.models import Enrollment, EventParticipation, Plan, Settlement, Site
from rewards.models import Earning, Payout, PayoutAccount
from vehicles.models import ChargeOverride, ChargePreference, HomeCharger, Vehicle, VehicleLink

State: TypeAlias = dict[bytes, bytes]  # kind and id -> fingerprint
MOST_OF_A_KIND = 2_000  # the newest; older ones are read by the lists
POINTS_KEPT = 50
_SALT = "changes"
_MARK = 8  # bytes of a fingerprint: chance meetings would hide one change in 2**64


@dataclass(frozen=True)
class Kind:
    """One kind of object: whose rows, under which id, and which columns its state is.

    `columns` must hold everything that the object's own address shows; where one changes, the object has changed.
    """

    name: str
    path: str
    rows: Callable[[int], QuerySet[Any]]
    columns: tuple[str, ...]
    id_column: str = "public_id"


def _plain(model: type[models.Model], *leave_out: str) -> tuple[str, ...]:
    """Return the names of a model's own columns, but those that change without the owner seeing anything."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.name not in leave_out)  # noqa: SLF001


def _newest_of(kind: Kind) -> Callable[[int, datetime], QuerySet[Any]]:
    return lambda owner, _at: kind.rows(owner).order_by("-pk")[:MOST_OF_A_KIND]


_EVENT = ("event__state", "event__starts_at", "event__ends_at", "event__reward_micros_per_kwh", "event__cancel_reason")
KINDS: tuple[Kind, ...] = (
    Kind("me", "me/", lambda owner: User.objects.filter(pk=owner),
         ("email", "name", "country", "time_zone", "language")),
    Kind("vehicle", "vehicles/{id}/", lambda owner: Vehicle.objects.filter(owner=owner).exclude(state="unlinked"),
         ("state", "nickname", "model", "trim", "is_controlling", "capacity_wh", "max_charge_w", "max_discharge_w",
          "has_assumed_specs", "capabilities", "read_failure", "link__state")),
    Kind("preference", "vehicles/{id}/preference/",
         lambda owner: ChargePreference.objects.filter(vehicle__owner=owner, vehicle__state="active"),
         ("version", "is_paused", "changed_at"), "vehicle__public_id"),
    Kind("override", "overrides/{id}/", lambda owner: ChargeOverride.objects.filter(vehicle__owner=owner),
         _plain(ChargeOverride)),
    Kind("link", "links/{id}/", lambda owner: VehicleLink.objects.filter(owner=owner),
         ("state", "state_reason", "linked_at", "revoked_at")),
    Kind("charger", "chargers/{id}/",
         lambda owner: HomeCharger.objects.filter(link__owner=owner).exclude(state="unlinked"),
         ("state", "name", "serves_id", "max_discharge_w", "is_car_connected", "is_used")),
    Kind("site", "sites/{id}/", lambda owner: Site.objects.filter(owner=owner), _plain(Site)),
    Kind("enrollment", "enrollments/{id}/", lambda owner: Enrollment.objects.filter(vehicle__owner=owner),
         ("enrolled_at", "ended_at", "program__name")),
    Kind("plan", "plans/{id}/", lambda owner: Plan.objects.filter(vehicle__owner=owner, is_current=True), ("made_at",)),
    Kind("participation", "participations/{id}/",
         lambda owner: EventParticipation.objects.filter(enrollment__vehicle__owner=owner),
         ("state", "reason", "decided_at", *_EVENT)),
    Kind("settlement", "settlements/{id}/",
         lambda owner: Settlement.objects.filter(participation__enrollment__vehicle__owner=owner),
         ("posted_at", "amount_minor")),
    Kind("earning", "earnings/{id}/", lambda owner: Earning.objects.filter(owner=owner), ("amount_minor",)),
    Kind("payout", "payouts/{id}/", lambda owner: Payout.objects.filter(account__owner=owner),
         ("state", "amount_minor", "sent_at", "paid_at", "failure", "approval_reason")),
    Kind("payout_account", "payout-accounts/{id}/", lambda owner: PayoutAccount.objects.filter(owner=owner),
         ("state", "is_paused", "threshold_minor", "next_payout_at")),
    Kind("consent", "consents/{id}/", lambda owner: Consent.objects.filter(user=owner), ("version", "revoked_at")),
    Kind("notice", "notices/{id}/", lambda owner: Notice.objects.filter(user=owner), ("read_at",)),
)  # fmt: skip
# The newest of each kind, all asked for at once.
_STATE = Stamp(*(Watched(_newest_of(kind), (kind.id_column, *kind.columns)) for kind in KINDS))


@dataclass(frozen=True)
class Change:
    """One object that is new, has changed, or is gone."""

    kind: str
    id: UUID
    is_deleted: bool
    url: str


@dataclass(frozen=True)
class Changes:
    """What changed, and the cursor to ask with the next time."""

    changes: list[Change]
    cursor: str
    has_more: bool


def changes_since(*, owner: User, cursor: str, limit: int) -> Changes:
    """Return what changed for the owner since `cursor` ("" for everything), at most `limit` objects.

    Raises CursorUnknown for one that is not the owner's, CursorExpired where it is no longer kept.
    """
    rows = _rows_now(owner)
    seen = f"changes:{owner.pk}:{hashlib.sha256(repr((cursor, rows)).encode()).hexdigest()}"
    if cursor and caches["pages"].get(seen):
        return Changes([], cursor, has_more=False)
    known, number = _known_at(owner, cursor)
    current = _state_of(rows)
    differing = sorted(key for key in known.keys() | current.keys() if known.get(key) != current.get(key))
    told = differing[:limit]
    if not told and cursor:
        caches["pages"].set(seen, True, KEPT_SECONDS)  # this cursor knows this very state
        return Changes([], cursor, has_more=False)
    for key in told:
        if key in current:
            known[key] = current[key]
        else:
            del known[key]
    changes = [_change(key, is_deleted=key not in current) for key in told]
    return Changes(changes, _keep(owner, known, after=number), has_more=len(differing) > limit)


def _rows_now(owner: User) -> list[tuple[int, str]]:
    """Return a row for each object, in an order of their own; one query."""
    return sorted(_STATE.rows_of(owner.pk, at=clock.now()))


def _state_of(rows: Iterable[tuple[int, str]]) -> State:
    """Return the state of each object from its row: its kind, and a JSON array that begins with its id."""
    return {
        bytes([number]) + UUID(told.split('"', 2)[1]).bytes: hashlib.sha256(told.encode()).digest()[:_MARK]
        for number, told in rows
    }


def _change(key: bytes, *, is_deleted: bool) -> Change:
    kind, public_id = KINDS[key[0]], UUID(bytes=key[1:])
    return Change(kind.name, public_id, is_deleted, "" if is_deleted else f"/api/v1/{kind.path.format(id=public_id)}")


def _known_at(owner: User, cursor: str) -> tuple[State, int]:
    if not cursor:
        return {}, SyncPoint.objects.filter(user=owner).aggregate(newest=Max("number"))["newest"] or 0
    try:
        named = signing.loads(cursor, salt=_SALT)
        user, number = named["u"], int(named["n"])
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise CursorUnknown from None
    if user != owner.pk:
        raise CursorUnknown
    point = SyncPoint.objects.filter(user=owner, number=number).first()
    if point is None:
        raise CursorExpired
    return _unpack(bytes(point.known)), number


def _keep(owner: User, known: Mapping[bytes, bytes], *, after: int) -> str:
    """Store what the app knows now as the owner's next point, and return its cursor."""
    packed = b"".join(key + known[key] for key in sorted(known))
    while True:
        newest = SyncPoint.objects.filter(user=owner).aggregate(newest=Max("number"))["newest"] or 0
        number = max(newest, after) + 1
        try:
            with transaction.atomic():
                SyncPoint.objects.create(user=owner, number=number, known=packed, created_at=clock.wall())
                SyncPoint.objects.filter(user=owner, number__lte=number - POINTS_KEPT).delete()
        except IntegrityError:  # another of the owner's apps took the number in this moment
            continue
        return signing.dumps({"u": owner.pk, "n": number}, salt=_SALT)


def _unpack(packed: bytes) -> State:
    size = 1 + 16 + _MARK
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]
    return {part[:-_MARK]: part[-_MARK:] for part in parts}
