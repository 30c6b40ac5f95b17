"""Rehearsals: a draft of a program played on recorded days before anybody is asked to join, kept with its inputs.

Played on the utility's own cars where enough of them were recorded for long enough; else on a sample of real charging
sessions that comes with the platform (grid/data/ATTRIBUTION.md).
"""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext

from accounts.models import User
from foundation.refusals import Refusal
from grid.models import Rehearsal, Utility
from grid.rules import rehearsal
from grid.rules.rehearsal import RecordedStay
from grid.rules.rehearsal_drafts import Draft, DraftError, read_draft
from vehicles.models import PlugSession

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "rehearsal_stays.csv.gz"
LOOK_BACK = timedelta(days=60)
FEWEST_DAYS, MOST_STAYS = 7, 20_000
# The sample's sessions are a workplace's: moved so far, its arrivals stand in for homecomings.
LATER = timedelta(hours=9)
SAMPLE_CAR = {"capacity_wh": 75_000, "charge_efficiency": 0.9, "charge_w": 7_200}
SAMPLE_LIMIT = 90.0
OWN, SAMPLED = "own", "sample"


class UnableToRehearse(Refusal):
    """Nothing was played."""


def rehearse(*, raw: object, utility: Utility | None, made_by: User | None, now: datetime) -> Rehearsal:
    """Play a draft on recorded days, keep what came of it with all it came from, and return it.

    Raises UnableToRehearse where the draft is wrong, naming the key, or where no recorded day fits it.
    """
    try:
        draft = read_draft(
            raw,
            currency=utility.currency if utility else "USD",
            time_zone=utility.time_zone if utility else "America/Chicago",
        )
    except DraftError as error:
        raise UnableToRehearse(str(error), code="bad_draft", field="draft") from error
    source, stays = _recorded(utility, draft, now)
    days = sorted({stay.plugged_in_at.astimezone(draft.zone).date() for stay in stays})[1:-1]
    events = rehearsal.play(draft, stays, days)
    if not events:
        raise UnableToRehearse(
            gettext("No recorded day fits the draft's weekdays and months."), code="no_day_fits", field="draft"
        )
    return Rehearsal.objects.create(
        utility=utility,
        name=draft.name,
        draft=raw,
        inputs={"source": source, "days": [day.isoformat() for day in days], "stays": [_row(stay) for stay in stays]},
        result={"summary": rehearsal.sum_up(draft, events), "events": rehearsal.as_rows(events)},
        method_version=rehearsal.VERSION,
        made_by=made_by,
        made_at=now,
    )


def play_again(kept: Rehearsal) -> dict[str, Any]:
    """Return the result worked out anew from the draft and inputs that were kept."""
    utility = kept.utility
    draft = read_draft(
        kept.draft,
        currency=utility.currency if utility else "USD",
        time_zone=utility.time_zone if utility else "America/Chicago",
    )
    stays = [_stay(row) for row in kept.inputs["stays"]]
    events = rehearsal.play(draft, stays, [date.fromisoformat(day) for day in kept.inputs["days"]])
    return {"summary": rehearsal.sum_up(draft, events), "events": rehearsal.as_rows(events)}


def _row(stay: RecordedStay) -> dict[str, Any]:
    row = asdict(stay)
    return row | {name: row[name].isoformat() for name in ("plugged_in_at", "unplugged_at")}


def _stay(row: dict[str, Any]) -> RecordedStay:
    times = {name: datetime.fromisoformat(row[name]) for name in ("plugged_in_at", "unplugged_at")}
    return RecordedStay(**(row | times))


def _recorded(utility: Utility | None, draft: Draft, now: datetime) -> tuple[str, list[RecordedStay]]:
    own = _own_stays(utility, now) if utility is not None else []
    cars, days = {stay.car for stay in own}, {stay.plugged_in_at.date() for stay in own}
    if len(cars) >= max(settings.UTILITY_SMALLEST_GROUP, 1) and len(days) >= FEWEST_DAYS:
        return OWN, own
    return SAMPLED, sample_stays(draft)


def _own_stays(utility: Utility, now: datetime) -> list[RecordedStay]:
    """Return the finished stays of cars that live on the utility's tariffs; cars are numbered, nothing else is kept."""
    rows = PlugSession.objects.filter(
        vehicle__owner__sites__tariff__utility=utility,
        is_at_home=True,
        unplugged_at__isnull=False,
        plugged_in_at__gt=now - LOOK_BACK,
        unplugged_at__lte=now,
        vehicle__max_charge_w__gt=0,
        vehicle__capacity_wh__gt=0,
    ).order_by("plugged_in_at", "pk")
    names = (
        "vehicle", "plugged_in_at", "unplugged_at", "soc_percent", "limit_percent",
        "vehicle__preference__target_soc_percent", "vehicle__capacity_wh", "vehicle__charge_efficiency",
        "vehicle__max_charge_w", "vehicle__owner__sites__evse_max_charge_w", "vehicle__max_discharge_w",
        "vehicle__preference__reserve_soc_percent",
    )  # fmt: skip
    numbers: dict[int, int] = {}
    return [
        RecordedStay(
            car=numbers.setdefault(key, len(numbers)),
            plugged_in_at=came,
            unplugged_at=left,
            soc_percent=float(soc),
            limit_percent=float(limit),
            target_percent=float(min(limit, Decimal(target or 80))),
            capacity_wh=capacity,
            charge_efficiency=float(efficiency),
            charge_w=min(charge_w, evse_w),
            discharge_w=discharge_w or 0,
            reserve_percent=float(reserve or 20),
        )
        for key, came, left, soc, limit, target, capacity, efficiency, charge_w, evse_w, discharge_w, reserve
        in rows.values_list(*names)[:MOST_STAYS]
        if timedelta(minutes=30) <= left - came <= timedelta(hours=48)
    ]  # fmt: skip


def sample_stays(draft: Draft) -> list[RecordedStay]:
    """Return the sample's stays on the draft's clock: each a session whose energy is missing at plug-in."""
    with gzip.open(SAMPLE, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return [_of_sample(number, row, draft) for number, row in enumerate(rows)]


def _of_sample(number: int, row: dict[str, str], draft: Draft) -> RecordedStay:
    came, left = (
        (datetime.fromisoformat(row[name]) + LATER).replace(tzinfo=draft.zone).astimezone(UTC)
        for name in ("arrival_local", "departure_local")
    )
    taken = float(row["delivered_kwh"]) * 1000 * SAMPLE_CAR["charge_efficiency"] / SAMPLE_CAR["capacity_wh"] * 100
    return RecordedStay(
        car=number,
        plugged_in_at=came,
        unplugged_at=left,
        soc_percent=round(max(5.0, SAMPLE_LIMIT - taken), 2),
        limit_percent=SAMPLE_LIMIT,
        target_percent=SAMPLE_LIMIT,
        capacity_wh=int(SAMPLE_CAR["capacity_wh"]),
        charge_efficiency=SAMPLE_CAR["charge_efficiency"],
        charge_w=int(SAMPLE_CAR["charge_w"]),
    )


def rehearsals_of(utility: Utility) -> "Sequence[Rehearsal]":
    """Return the utility's rehearsals, newest first, without what they were played on."""
    return list(Rehearsal.objects.filter(utility=utility).defer("inputs").order_by("-made_at")[:50])
