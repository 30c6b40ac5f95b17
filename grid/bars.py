"""Bars for pages: sums by month or night as places and sizes of a drawing, some below zero; words are the page's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

STEP, GAP, HEIGHT = 10, 2, 100
MONTHS_LEAST, MONTHS_SHOWN = 3, 6


@dataclass(frozen=True)
class Segment:
    """One part of a bar: what it stands for, as a colour's name, and where it is drawn."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of (a date, an instant), its whole value, and its parts from the zero line on."""

    at: Any
    value: int
    x: int
    width: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Bars:
    """A row of bars in a drawing `width` wide and `height` high, which may be stretched; `kinds` for the legend."""

    bars: list[Bar]
    width: int
    height: int
    zero_y: float
    kinds: tuple[str, ...]


Point = tuple[Any, Sequence[tuple[str, int]]]


def bars_of(points: Iterable[Point]) -> Bars | None:
    """Return the bars of (what it is of, its (kind, value) parts), left to right; None where all of them are nothing.

    Parts above zero are stacked upwards, parts below zero downwards.
    """
    rows = list(points)
    tops = [sum(max(value, 0) for _, value in parts) for _, parts in rows]
    depths = [sum(max(-value, 0) for _, value in parts) for _, parts in rows]
    span = max(tops, default=0) + max(depths, default=0)
    if not span:
        return None
    zero_y = HEIGHT * max(tops) / span
    bars = [
        Bar(
            at=at,
            value=sum(value for _, value in parts),
            x=number * STEP + GAP // 2,
            width=STEP - GAP,
            segments=tuple(_segments(parts, zero_y, HEIGHT / span)),
        )
        for number, (at, parts) in enumerate(rows)
    ]
    kinds = dict.fromkeys(kind for _, parts in rows for kind, value in parts if value)
    return Bars(bars, len(rows) * STEP, HEIGHT, round(zero_y, 2), tuple(kinds))


def _segments(parts: Sequence[tuple[str, int]], zero_y: float, scale: float) -> Iterable[Segment]:
    up = down = zero_y
    for kind, value in parts:
        height = abs(value) * scale
        if value > 0:
            up -= height
            yield Segment(kind, round(up, 2), round(height, 2))
        elif value < 0:
            yield Segment(kind, round(down, 2), round(height, 2))
            down += height


class MonthSum(Protocol):
    """One month's sums in one currency."""

    starts_on_date: date
    currency: str

    @property
    def events_minor(self) -> int:
        """What events earned."""
        ...

    @property
    def others_minor(self) -> int:
        """What was paid by other forms."""
        ...


def month_bars(months: Iterable[MonthSum], *, currency: str, today: date) -> Bars | None:
    """Return the last six months in one currency, from the first with money on; None where nothing was earned.

    Three months at least are drawn, so that a first one does not look like a wall.
    """
    sums = {month.starts_on_date: month for month in months if month.currency == currency}
    shown, first = [today.replace(day=1)], min(sums, default=today)
    while len(shown) < MONTHS_LEAST or (len(shown) < MONTHS_SHOWN and shown[0] > first):
        shown.insert(0, (shown[0] - timedelta(days=1)).replace(day=1))
    return bars_of(
        (starts_on, [("charge", sums[starts_on].events_minor), ("other", sums[starts_on].others_minor)])
        if starts_on in sums
        else (starts_on, [])
        for starts_on in shown
    )
