"""Readings that came late: what they change is stated by the next revision, never by an edit.

Late news are readings of the time around an event that arrived after it was settled. They are looked for some hours
after the event and ever more rarely until a week has passed. A car that is settled alone is stated anew where its
energy changed; a group where what it owes changes by a hundredth or more, or can be told at last: below that a
restatement moves cents and unsettles a result that people have looked at.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from foundation.refusals import Refusal
from grid.flows.operators.reporting import owe_report_again
from grid.flows.settlement.cases import READINGS_NEAR, cases_of, read_parts
from grid.flows.settlement.group_results import (
    add_result,
    changed_members,
    excluded_from,
    gather_inputs,
    group_case,
    newest_group,
    parts_of,
)
from grid.flows.settlement.measuring import AT_ONCE, keep, measurements_of, settlement_of
from grid.flows.settlement.shares import NO_LIMIT, finish_shares
from grid.metering.energy import MISSING
from grid.metering.group_methods import settle_group
from grid.metering.groups import GroupResult
from grid.models import GridEvent, GroupSettlement, LoadHistory, Measurement, Settlement
from grid.rows.batches import batched
from vehicles.models import ChargeReading

logger = logging.getLogger(__name__)

CORRECTED_FOR = timedelta(days=7)
FIRST_CHECK, LATEST_CHECK = timedelta(hours=1), timedelta(days=1)
LATE_AFTER = timedelta(minutes=30)  # by then the event is due; what was read later is no news of it
RESTATED_FROM_PERCENT = 1
SHARED_AT_ONCE = 2_000  # cars; what a correction of more changes is shared by the sweep
LOOKED_AT_ONCE = 5_000
_COPY = """
INSERT INTO grid_measurement (participation_id, revision, method, method_version, baseline_wh, net_wh, delivered_wh,
    metered_wh, grade, reason, evidence, created_at)
SELECT before.participation_id, %s, before.method, before.method_version, before.baseline_wh, before.net_wh,
    before.delivered_wh, NULL, CASE WHEN before.net_wh IS NULL THEN 'missing' ELSE before.grade END,
    CASE WHEN before.reason IN ('not_plugged_in', 'readings_missing') THEN before.reason ELSE '' END,
    before.evidence, before.created_at
FROM grid_settlement AS before
WHERE before.group_id = %s AND NOT EXISTS (
    SELECT 1 FROM grid_measurement AS own WHERE own.participation_id = before.participation_id AND own.revision = %s
)
"""


class UnableToCorrect(Refusal):
    """The result stays as it is."""


def correct_late(*, now: datetime, limit: int) -> int:
    """State anew what late readings changed, of up to `limit` events and cars; returns how many were made."""
    made = 0
    for settlement in _missing_with_news(now)[:limit]:
        try:
            made += _correct_car(settlement, now)
        except Exception:
            logger.exception("settlement %s was not corrected", settlement.public_id)
    due = GridEvent.objects.filter(state=GridEvent.State.SETTLED, check_at__lte=now).order_by("check_at", "pk")
    for event in due.select_related("terms__program__utility")[:limit]:
        _put_off(event, now)
        try:
            made += _check(event, now)
        except Exception:
            logger.exception("late readings of event %s were not looked at", event.public_id)
    return made


def _put_off(event: GridEvent, now: datetime) -> None:
    since = now - (event.settled_at or now)
    wait = min(max(FIRST_CHECK, since / 2), LATEST_CHECK)
    event.check_at = now + wait if since < CORRECTED_FOR else None
    event.save(update_fields=["check_at"])


def _check(event: GridEvent, now: datetime) -> int:
    group = newest_group(event)
    if group is None:
        with_news = _newest(event).exclude(grade=MISSING).filter(Exists(_late_news()))
        return sum(_correct_car(one, now) for one in with_news.order_by("pk")[:LOOKED_AT_ONCE])
    if group.shared_at is None:
        return 0
    if group.review == GroupSettlement.Review.DISPUTED:
        # The verdict is about this result: upheld, it is stated anew with late readings; rejected, they are looked at.
        GridEvent.objects.filter(pk=event.pk).update(check_at=now + LATEST_CHECK)
        return 0
    changed = _measured_again(event, group, now)
    if not changed or not _is_worth_it(event, group, changed):
        return 0
    restate_group(event, changed, reason="late_readings", now=now)
    return group.measured_cars + group.estimated_cars + group.control_cars


def correct_group(
    *,
    event: GridEvent,
    reason: str,
    now: datetime,
    settled_by: AbstractBaseUser | None = None,
    excluded_cars: Collection[UUID | str] = (),
) -> GroupSettlement:
    """State the group's result anew, with what late readings changed, as the next revision; the earlier is replaced.

    `excluded_cars` names parts in the event (by public id) that an upheld objection takes out: they count for nothing
    and have no share. Cars left out by an earlier correction stay out. `settled_by` is who decided it. Owners' pending
    credits follow; what they have is theirs. Raises UnableToCorrect where nothing is settled yet.
    """
    group = newest_group(event)
    if group is None or group.shared_at is None:
        raise UnableToCorrect(gettext("There is no whole result to correct yet."), code="not_settled")
    ids = {UUID(str(one)) for one in excluded_cars}
    excluded = set(parts_of(event).filter(public_id__in=ids).values_list("pk", flat=True))
    if len(excluded) != len(ids):
        raise UnableToCorrect(gettext("A car that is to be left out took no part in the event."), code="unknown_car")
    changed = _measured_again(event, group, now)
    return restate_group(event, changed, reason=reason, now=now, settled_by=settled_by, excluded=excluded)


@transaction.atomic
def _add_revision(
    event: GridEvent,
    changed: Sequence[Measurement],
    *,
    reason: str,
    now: datetime,
    settled_by: AbstractBaseUser | None,
    excluded: Collection[int],
) -> GroupSettlement:
    GridEvent.objects.select_for_update().get(pk=event.pk)
    before = GroupSettlement.objects.select_for_update().filter(event=event).order_by("-revision")[0]
    revision = before.revision + 1
    if before.review == GroupSettlement.Review.DISPUTED and settled_by is None:
        raise UnableToCorrect(gettext("The utility objects to this result: the verdict comes first."), code="disputed")
    if any(one.revision != revision for one in changed):
        raise UnableToCorrect(gettext("The result was corrected in the meantime."), code="corrected_meanwhile")
    _prepare(before, changed, revision)
    if excluded:
        LoadHistory.objects.filter(event=event).delete()  # those cars count in no earlier day either
    inputs, left_out = before.evidence["inputs"], set(excluded) | excluded_from(before)
    if excluded and "history" in inputs:
        inputs = gather_inputs(event, ends_at=NO_LIMIT, excluded=left_out) or {}
    group = add_result(event, now, revision=revision, inputs=inputs, reason=reason, excluded=left_out)
    replaced = {"review": GroupSettlement.Review.REPLACED, "reviewed_at": now}
    if settled_by is not None:
        replaced["reviewed_by"] = settled_by
    GroupSettlement.objects.filter(pk=before.pk).update(**replaced)
    owe_report_again(event)
    return group


def restate_group(
    event: GridEvent,
    changed: Sequence[Measurement],
    *,
    reason: str,
    now: datetime,
    settled_by: AbstractBaseUser | None = None,
    excluded: Collection[int] = (),
) -> GroupSettlement:
    """Write the group's next revision, in which the cars of `changed` have new results and all others the old ones."""
    group = _add_revision(event, changed, reason=reason, now=now, settled_by=settled_by, excluded=excluded)
    if group.measured_cars + group.estimated_cars + group.control_cars <= SHARED_AT_ONCE:
        finish_shares(group, now, ends_at=NO_LIMIT)
        group.refresh_from_db(fields=["shared_at"])
    return group


def _prepare(before: GroupSettlement, changed: Sequence[Measurement], revision: int) -> None:
    """Leave every member's own result with the new revision: those that changed, and copies of the others."""
    keep(changed)
    with connection.cursor() as cursor:
        cursor.execute(_COPY, [revision, before.pk, revision])
    metered = before.evidence["members"].get("metered_wh")
    if metered is None:
        return
    mine = {one.participation_id for one in changed}
    rows = Measurement.objects.filter(participation__event=before.event_id, revision=revision)
    copied = []
    for number, row in enumerate(rows.only("pk", "participation").order_by("participation__public_id")):
        if row.participation_id not in mine:
            row.metered_wh = metered[number]
            copied.append(row)
    Measurement.objects.bulk_update(copied, ["metered_wh"], batch_size=AT_ONCE)


def _is_worth_it(event: GridEvent, group: GroupSettlement, changed: Sequence[Measurement]) -> bool:
    result = _would_be(event, group, changed)
    if (result.measured is None) != (group.delivered_wh is None):
        return True
    difference = abs(result.amount_minor - group.amount_minor)
    return difference * 100 >= max(RESTATED_FROM_PERCENT * abs(group.amount_minor), 1)


def _would_be(event: GridEvent, group: GroupSettlement, changed: Sequence[Measurement]) -> GroupResult:
    """Return the group's result with these cars' new results, writing nothing."""
    before = GroupSettlement.objects.get(pk=group.pk)
    members = changed_members(before, changed)
    return settle_group(group_case(event, members, before.evidence["inputs"]))


def _measured_again(event: GridEvent, group: GroupSettlement, now: datetime) -> list[Measurement]:
    """Return the new results of the group's cars of which late readings tell something else."""
    news = Q(net_wh=None) & Exists(_any_news()) | ~Q(net_wh=None) & Exists(_late_news())
    rows = Settlement.objects.filter(news, group=group).defer("evidence", "share").order_by("pk")
    found, unchanged = [], list[int]()
    known = {one.participation_id: one for one in rows[:LOOKED_AT_ONCE]}
    for keys in batched(list(known), AT_ONCE):
        parts = read_parts(parts_of(event), event, keys)
        for again in measurements_of(event, parts, now, revision=group.revision + 1):
            before = known[again.participation_id]
            if (again.baseline_wh, again.net_wh) != (before.baseline_wh, before.net_wh) and again.net_wh is not None:
                found.append(again)
            else:
                unchanged.append(before.pk)
    # What changes too little to be restated is weighed again with what else may come; the rest makes way for others.
    Settlement.objects.filter(pk__any_of=unchanged).update(checked_at=now)
    return found


def _newest(event: GridEvent) -> QuerySet[Settlement]:
    later = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    return _with_car(Settlement.objects.filter(~Exists(later), participation__event=event))


def _with_car(rows: QuerySet[Settlement]) -> QuerySet[Settlement]:
    return rows.select_related(
        "participation__event__terms__program__utility",
        "participation__enrollment__vehicle__owner",
        "participation__enrollment__site",
    )


def _any_news() -> QuerySet[ChargeReading]:
    """Return the readings since an event began that came after its settlement, or after it was last looked at."""
    return ChargeReading.objects.filter(
        vehicle=OuterRef("participation__enrollment__vehicle"),
        fetched_at__gt=Coalesce(OuterRef("checked_at"), OuterRef("created_at")),
        observed_at__gte=OuterRef("participation__event__starts_at"),
    )


def _late_news() -> QuerySet[ChargeReading]:
    """Return those of them that are of the event's own time; later ones tell nothing of a car that is known."""
    return ChargeReading.objects.filter(
        vehicle=OuterRef("participation__enrollment__vehicle"),
        fetched_at__gt=Coalesce(OuterRef("checked_at"), OuterRef("created_at")),
        observed_at__gte=OuterRef("participation__event__starts_at") - READINGS_NEAR,
        observed_at__lte=OuterRef("participation__event__ends_at") + LATE_AFTER,
    )


def _missing_with_news(now: datetime) -> QuerySet[Settlement]:
    """Return the newest settlements of cars settled alone of which nothing was known, with readings since."""
    later = Settlement.objects.filter(participation=OuterRef("participation"), revision__gt=OuterRef("revision"))
    rows = Settlement.objects.filter(
        ~Exists(later), Exists(_any_news()), grade=MISSING, group=None, created_at__gte=now - CORRECTED_FOR
    )
    return _with_car(rows).order_by("created_at", "pk")


def _correct_car(before: Settlement, now: datetime) -> int:
    """Add the next revision where readings now tell something else; returns how many were added."""
    part = before.participation
    again = settlement_of(part, cases_of(part.event, [part]), now, revision=before.revision + 1)
    if again.grade == MISSING or (again.baseline_wh, again.net_wh) == (before.baseline_wh, before.net_wh):
        Settlement.objects.filter(pk=before.pk).update(checked_at=now)
        return 0
    kept = keep([again])
    owe_report_again(part.event)
    return kept
