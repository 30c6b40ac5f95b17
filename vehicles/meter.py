"""Counting calls to makers before they are made, and refusing those beyond a budget.

Budgets live in platform time, as polling does: a day is a UTC day, a maker's hour a UTC hour. A part of each is kept
for commands, and what ends a hold always passes. Counting is one statement a call, so that nobody can slip between
looking and counting.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from django.db import connection

from foundation import clock
from vehicles.automakers.base import Capabilities
from vehicles.automakers.errors import BudgetSpent
from vehicles.models import CallCount, MakerSwitch, VehicleLink

KEPT_FOR_COMMANDS = 0.2
# Thousands of calls a second must not wait for one row; a small budget is kept in one row, so that it is exact.
SHARDS = 16
LEAST_BUDGET_TO_SPREAD = 100 * SHARDS
SCOPES = (CallCount.Scope.MAKER, CallCount.Scope.LINK, CallCount.Scope.CAR, CallCount.Scope.CHARGER)
TALLIES = ("reads", "wakes", "commands", "releases", "refreshes", "pushes", "signals", "failures")


class Use(StrEnum):
    """What a call is for; the value is its column."""

    READ = "reads"
    WAKE = "wakes"
    COMMAND = "commands"
    RELEASE = "releases"
    REFRESH = "refreshes"


@dataclass(frozen=True)
class Caller:
    """On whose account a call goes: a link's, and within it a car's or a wall box's."""

    link: VehicleLink
    switch: MakerSwitch | None = None
    can: Capabilities | None = None
    car: int | None = None
    charger: int | None = None


Row: TypeAlias = tuple[int, str, int, datetime]


@dataclass(frozen=True)
class Line:
    """One row to count in, and the most calls that it may hold; None = any number."""

    scope: str
    subject: str
    starts_at: datetime
    shard: int = 0
    most: int | None = None

    @property
    def row(self) -> "Row":
        """What names its row; the scopes in the order in which rows are always locked."""
        return SCOPES.index(self.scope), self.subject, self.shard, self.starts_at


def day_of(at: datetime) -> datetime:
    """Return the beginning of the UTC day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def hour_of(at: datetime) -> datetime:
    """Return the beginning of the UTC hour."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def readable(budget: int, can: Capabilities | None) -> int:
    """Return how much of a budget readings may use: all of it where there is nothing to command."""
    is_commanded = can is None or can.can_hold or can.can_start_stop or can.set_limit_percent is not None
    return budget - round(budget * KEPT_FOR_COMMANDS) if is_commanded else budget


def spend(caller: Caller, use: Use, *, now: datetime) -> tuple[Line, ...]:
    """Count one call that is about to be made, and return the rows it was counted in.

    Raises BudgetSpent, with nothing counted, where the maker's, account's or car's budget is used up. A release is
    counted and never refused.
    """
    (lines,) = spend_all([(caller, use)], now=now)
    if isinstance(lines, BudgetSpent):
        raise lines
    return lines


def spend_all(calls: Sequence[tuple[Caller, Use]], *, now: datetime) -> list[tuple[Line, ...] | BudgetSpent]:
    """Count calls that are about to be made as `spend` does for one: in one statement, and one more for the refused."""
    if not calls:
        return []
    wanted = [(use, tuple(_lines(caller, use, now=now))) for caller, use in calls]
    amounts = _sum(wanted)
    counted = _add(amounts)
    before = {
        row: counted[row] - sum(n for use, n in uses.items() if use != Use.REFRESH) for row, uses in amounts.items()
    }
    found: list[tuple[Line, ...] | BudgetSpent] = []
    refused: list[tuple[Use, tuple[Line, ...]]] = []
    for use, lines in wanted:  # as if they had come one after another
        over = [line for line in lines if line.most is not None and before[line.row] >= line.most]
        if over and use != Use.RELEASE:
            refused.append((use, lines))
            line = max(over, key=_ends_at)
            at = wall_at(_ends_at(line), now=now)
            found.append(BudgetSpent(line.scope, scope=_words(line.scope), retry_at=at))
            continue
        for line in lines:
            before[line.row] += 1
        found.append(lines)
    if refused:
        _add(_sum(refused), sign="-")
    return found


def count_failure(lines: Sequence[Line]) -> None:
    """Count that a call which was counted in `lines` failed."""
    _add({line.row: {"failures": 1} for line in lines})


def count_push(caller: Caller, *, signals: int, now: datetime) -> None:
    """Count a message that came without being asked for, and the values in it."""
    _add({line.row: {"pushes": 1, "signals": signals} for line in _lines(caller, None, now=now)})


def calls_today(*, link: int, car: int, now: datetime) -> dict[str, int]:
    """Return how many calls the account ("link") and the car ("car") have used of their day."""
    day = day_of(now)
    found = {"link": 0, "car": 0}
    rows = CallCount.objects.filter(scope__in=found, subject__in=(str(link), str(car)), shard=0, starts_at=day)
    wanted = {(CallCount.Scope.LINK, str(link)): "link", (CallCount.Scope.CAR, str(car)): "car"}
    for row in rows:
        name = wanted.get((CallCount.Scope(row.scope), row.subject))
        if name:
            found[name] = row.reads + row.wakes + row.commands + row.releases
    return found


def wall_at(at: datetime, *, now: datetime) -> datetime:
    """Return the wall time at which the platform's clock will show `at`; a frozen clock is looked at every minute."""
    rate = clock.rate()
    ahead = (at - now) / rate if rate > 0 else timedelta(minutes=1)
    return clock.wall() + ahead


def _lines(caller: Caller, use: Use | None, *, now: datetime) -> list[Line]:
    budget = caller.can.daily_budget if caller.can is not None else None
    daily = _most(budget, use, caller.can)
    is_owners = caller.can is None or caller.can.budget_scope == "user"
    hourly = caller.switch.hourly_budget if caller.switch else None
    is_spread = hourly is None or hourly >= LEAST_BUDGET_TO_SPREAD
    share = hourly // SHARDS if hourly is not None and is_spread else hourly
    day = day_of(now)
    lines = [
        Line(
            CallCount.Scope.MAKER,
            caller.link.maker,
            hour_of(now),
            random.randrange(SHARDS) if is_spread else 0,  # noqa: S311 - spreads writes, protects nothing
            _most(share, use, caller.can),
        ),
        Line(CallCount.Scope.LINK, str(caller.link.pk), day, most=daily if is_owners else None),
    ]
    if caller.car is not None:
        lines.append(Line(CallCount.Scope.CAR, str(caller.car), day, most=None if is_owners else daily))
    if caller.charger is not None:
        lines.append(Line(CallCount.Scope.CHARGER, str(caller.charger), day, most=None if is_owners else daily))
    return lines


def _most(budget: int | None, use: Use | None, can: Capabilities | None) -> int | None:
    if budget is None or use in {None, Use.REFRESH}:
        return None
    return readable(budget, can) if use == Use.READ else budget


def _ends_at(line: Line) -> datetime:
    return line.starts_at + (timedelta(hours=1) if line.scope == CallCount.Scope.MAKER else timedelta(days=1))


def _words(scope: str) -> str:
    return {CallCount.Scope.MAKER: "app", CallCount.Scope.LINK: "user"}.get(CallCount.Scope(scope), "vehicle")


def _sum(calls: Sequence[tuple[Use, tuple[Line, ...]]]) -> dict[Row, dict[str, int]]:
    amounts: dict[Row, dict[str, int]] = {}
    for use, lines in calls:
        for line in lines:
            uses = amounts.setdefault(line.row, {})
            uses[str(use)] = uses.get(str(use), 0) + 1
    return amounts


def _add(amounts: Mapping[Row, Mapping[str, int]], *, sign: str = "+") -> dict[Row, int]:
    """Add to the rows (or take away), all in one statement and always in the same order; return each row's calls."""
    table = CallCount._meta.db_table  # noqa: SLF001 - Django's own way to a table's name
    names = sorted({name for uses in amounts.values() for name in uses})
    row = "(%s, %s, %s, %s, " + ", ".join("%s" if name in names else "0" for name in TALLIES) + ")"
    adding = ", ".join(f"{name} = {table}.{name} {sign} excluded.{name}" for name in names)
    values: list[Any] = []
    for scope, subject, shard, starts_at in sorted(amounts):
        uses = amounts[scope, subject, shard, starts_at]
        values += [str(SCOPES[scope]), subject, shard, connection.ops.adapt_datetimefield_value(starts_at)]
        values += [uses.get(name, 0) for name in TALLIES if name in names]
    statement = (
        f"INSERT INTO {table} (scope, subject, shard, starts_at, {', '.join(TALLIES)})"  # noqa: S608 - own names only
        f" VALUES {', '.join([row] * len(amounts))}"
        f" ON CONFLICT (scope, subject, shard, starts_at) DO UPDATE SET {adding}"
        " RETURNING scope, subject, shard, reads + wakes + commands + releases"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        # One statement counts at one instant, so scope, subject and shard name a row.
        counted = {tuple(found): int(calls) for *found, calls in cursor.fetchall()}
    return {one: counted[str(SCOPES[one[0]]), one[1], one[2]] for one in amounts}
