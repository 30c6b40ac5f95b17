"""In which programs a car may be at once, as both programs' terms say; pure.

No permission pays twice: what a car charges in the same hours is paid by one program's rate alone.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from foundation.windows import Window, parse_windows

# Forms of pay that count what a car charges in hours of their own; the others pay for events, or for being there.
BY_HOURS = ("charging_rate", "charging_share")
Form = Mapping[str, Any]


def goes_with(permitted: Collection[str], names: Collection[str]) -> bool:
    """Say whether terms that permit programs and groups by name permit the program of these names."""
    return not set(permitted).isdisjoint(names)


def pay_the_same_hours(ours: Sequence[Form], theirs: Sequence[Form]) -> bool:
    """Say whether two programs' forms of pay would both pay for what a car charges in some hour of the year."""
    return any(
        _overlap(first, second)
        for first in ours
        for second in theirs
        if first["form"] in BY_HOURS and second["form"] in BY_HOURS
    )


def _overlap(first: Form, second: Form) -> bool:
    months = set(first.get("months") or range(1, 13)) & set(second.get("months") or range(1, 13))
    windows = (parse_windows(first["windows"]), parse_windows(second["windows"]))
    return bool(months) and any(_meet(one, other) for one in windows[0] for other in windows[1])


def _meet(one: Window, other: Window) -> bool:
    has_day = not one.weekdays.isdisjoint(other.weekdays)
    return has_day and one.starts_minute < other.ends_minute and other.starts_minute < one.ends_minute
