"""From a group's result to its cars' settlements: each gets its share, some thousand at a time, none twice."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from foundation import clock
from foundation.money import Division, divide
from grid.metering import group_evidence
from grid.metering.groups import ABSENT, EXCLUDED, GroupCase, GroupResult, weights
from grid.models import GridEvent, GroupSettlement, Measurement, Settlement
from grid.rows.batches import batched
from grid.rows.column_writes import array_of

LEASE = timedelta(seconds=60)
SHARED_AT_ONCE = 2_000
FIRST_CHECK = timedelta(hours=1)
NO_LIMIT = float("inf")
_INSERT = """
INSERT INTO grid_settlement (public_id, participation_id, revision, group_id, method, method_version, baseline_wh,
    net_wh, delivered_wh, credited_wh, reward_micros_per_kwh, amount_minor, currency, grade, reason, evidence, share,
    created_at)
SELECT gen_random_uuid(), own.participation_id, own.revision, %s, own.method, own.method_version, own.baseline_wh,
    own.net_wh, own.delivered_wh, shared.credited_wh, %s, shared.amount_minor, %s, shared.grade, shared.reason,
    own.evidence, shared.share::jsonb, %s
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS shared (own_id, credited_wh, amount_minor, grade, reason, share)
JOIN grid_measurement AS own ON own.id = shared.own_id
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class _Shares:
    """How a group's result is divided: energy and money by the same weights."""

    group: GroupSettlement
    case: GroupCase
    result: GroupResult
    weights: Sequence[int]
    common: dict[str, Any]  # what all members are told
    energy: Division
    money: Division

    @classmethod
    def of(cls, group: GroupSettlement) -> "_Shares":
        case = group_evidence.read(group.evidence)
        result = group_evidence.recompute(group.evidence)
        by = weights(case.members, case.rule)
        energy, money = divide(result.credited_wh, by), divide(max(0, result.amount_minor), by)
        common = {"group": str(group.public_id), "rule": str(case.rule), "weights": sum(by)}
        return cls(group, case, result, by, common, energy, money)

    def told(self, number: int) -> dict[str, Any]:
        """Return how one member's credit follows from the group's result."""
        return self.common | {
            "member": number,
            "role": self.case.members.roles[number],
            "committed_wh": self.case.members.weights_wh[number],
            "weight": self.weights[number],
            "credited_wh": _divided(self.energy, number),
            "amount_minor": _divided(self.money, number),
        }

    def reason(self, number: int) -> str:
        """Return why a member is credited nothing, as a key; "" where it is credited something."""
        if self.energy.shares[number] or self.money.shares[number]:
            return ""
        role = self.case.members.roles[number]
        if role in {ABSENT, EXCLUDED}:
            return "not_plugged_in" if role == ABSENT else "excluded"
        if self.result.measured is None:
            return "group_not_known"
        return "nothing_committed" if self.result.credited_wh else "group_delivered_nothing"

    def grade(self, grade: str) -> str:
        """Return the grade of a member's own result, beside the group's: the mean stands in for what is missing."""
        is_estimated = grade == Settlement.Grade.MISSING and self.result.measured is not None
        return Settlement.Grade.ESTIMATED if is_estimated else grade


def _divided(division: Division, number: int) -> dict[str, int]:
    return {"whole": division.whole, "place": division.places[number], "left": division.left}


def finish_shares(group: GroupSettlement, now: datetime, *, ends_at: float) -> int:
    """Give every car of the group its settlement and close the event; returns how many settlements were made.

    What is left when `ends_at` (of `time.monotonic`) has passed is left to the next sweep.
    """
    made = 0
    if group.shared_at is None:
        numbers = {part: number for number, part in enumerate(_members(group).values_list("participation", flat=True))}
        shares = _Shares.of(GroupSettlement.objects.get(pk=group.pk))
        for rows in batched(list(_without_share(group)), SHARED_AT_ONCE):
            if time.monotonic() > ends_at:
                GridEvent.objects.filter(pk=group.event_id).update(lease_until=None)
                return made
            GridEvent.objects.filter(pk=group.event_id).update(lease_until=clock.wall() + LEASE)
            with transaction.atomic():
                _insert(shares, rows, [numbers[participation] for _pk, participation, _grade in rows], now)
            made += len(rows)
    _close(group, now)
    return made


def _members(group: GroupSettlement) -> QuerySet[Measurement]:
    rows = Measurement.objects.filter(participation__event=group.event_id, revision=group.revision)
    return rows.order_by("participation__public_id")


def _without_share(group: GroupSettlement) -> QuerySet[Measurement, Any]:
    has = Settlement.objects.filter(participation=OuterRef("participation"), revision=group.revision)
    rows = Measurement.objects.filter(~Exists(has), participation__event=group.event_id, revision=group.revision)
    return rows.order_by("pk").values_list("pk", "participation", "grade")


def _insert(shares: _Shares, rows: Sequence[tuple[int, int, str]], numbers: Sequence[int], now: datetime) -> None:
    group = shares.group
    columns: dict[str, list[Any]] = {
        "credited_wh": [shares.energy.shares[number] for number in numbers],
        "amount_minor": [shares.money.shares[number] for number in numbers],
        "grade": [str(shares.grade(grade)) for _pk, _participation, grade in rows],
        "reason": [shares.reason(number) for number in numbers],
    }
    told = [shares.told(number) for number in numbers]
    if connection.vendor == "postgresql":
        # The evidence is there already: it is copied without ever leaving the database.
        shared: list[Any] = [group.pk, group.rate_micros_per_kwh, group.currency, now]
        listed: list[list[Any]] = [[row[0] for row in rows], *columns.values(), [json.dumps(one) for one in told]]
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [*shared, *map(array_of, listed)])
        return
    own = Measurement.objects.in_bulk([row[0] for row in rows])
    taken = ("participation_id", "revision", "method", "method_version", "baseline_wh", "net_wh", "delivered_wh",
             "evidence")  # fmt: skip
    Settlement.objects.bulk_create(
        Settlement(
            **{name: getattr(own[row[0]], name) for name in taken},
            **{name: values[place] for name, values in columns.items()},
            group=group,
            reward_micros_per_kwh=group.rate_micros_per_kwh,
            currency=group.currency,
            share=told[place],
            created_at=now,
        )
        for place, row in enumerate(rows)
    )


@transaction.atomic
def _close(group: GroupSettlement, now: datetime) -> None:
    GroupSettlement.objects.filter(pk=group.pk, shared_at=None).update(shared_at=now)
    Measurement.objects.filter(participation__event=group.event_id, revision=group.revision).delete()
    GridEvent.objects.filter(pk=group.event_id, state=GridEvent.State.ANNOUNCED).update(
        state=GridEvent.State.SETTLED, settled_at=now, check_at=now + FIRST_CHECK
    )
    GridEvent.objects.filter(pk=group.event_id).update(lease_until=None)
