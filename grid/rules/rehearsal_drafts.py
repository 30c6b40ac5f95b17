"""A draft of a program as it is typed: terms as JSON, checked key by key, told what is wrong; no Django."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from grid.metering.groups import ShareRule

MOST_EVENTS = 400
MICROS = 1_000_000
KINDS = ("hold", "discharge", "absorb")
GROUP_METHODS = (("sum-of-cars", 1), ("randomised-control-group", 1))
CURRENCIES = ("USD", "CAD")


class DraftError(ValueError):
    """A draft that cannot be rehearsed; the message names what is wrong and what it should be."""


@dataclass(frozen=True)
class Draft:
    """The terms tried out. Times are of `time_zone`; rates millionths of the currency per kWh."""

    name: str
    kind: str
    starts_local: time
    ends_local: time
    weekdays: tuple[int, ...]
    season_months: tuple[int, ...]
    max_events: int
    reward_micros_per_kwh: int
    tariff_micros_per_kwh: int
    night_micros_per_kwh: int
    group_method: str
    share_rule: str
    control_share_percent: int
    has_penalty: bool
    opt_out_percent: int
    currency: str
    time_zone: str
    seed: str

    @property
    def zone(self) -> ZoneInfo:
        """The clock of the draft's times."""
        return ZoneInfo(self.time_zone)


def read_draft(raw: object, *, currency: str = "USD", time_zone: str = "UTC") -> Draft:
    """Check a draft written as JSON and return it; raises DraftError naming the first key that is wrong."""
    if not isinstance(raw, Mapping):
        raise DraftError("A draft is a JSON object, such as docs/utility-desk.md shows.")
    unknown = sorted(set(map(str, raw)) - set(_KEYS))
    if unknown:
        raise DraftError(f"{unknown[0]}: no such key; there are {', '.join(_KEYS)}.")
    starts, ends = (_time(raw, key) for key in ("from", "to"))
    if starts >= ends:
        raise DraftError("to: must be later than from, on the same day.")
    rate = _whole(raw, "tariff_micros_per_kwh", 0, 10 * MICROS, 150_000)
    method = str(raw.get("group_method", GROUP_METHODS[0][0]))
    control = _whole(raw, "control_share_percent", 0, 50, 0)
    if method not in dict(GROUP_METHODS):
        raise DraftError(f"group_method: must be one of {', '.join(dict(GROUP_METHODS))}; others need earlier days.")
    if method == "randomised-control-group" and not control:
        raise DraftError("control_share_percent: a control group needs 1 to 50.")
    return Draft(
        name=_text(raw, "name"),
        kind=_choice(raw, "kind", KINDS),
        starts_local=starts,
        ends_local=ends,
        weekdays=_several(raw, "weekdays", 0, 6),
        season_months=_several(raw, "season_months", 1, 12),
        max_events=_whole(raw, "max_events", 1, MOST_EVENTS, MOST_EVENTS),
        reward_micros_per_kwh=_whole(raw, "reward_micros_per_kwh", 0, 1000 * MICROS, None),
        tariff_micros_per_kwh=rate,
        night_micros_per_kwh=_whole(raw, "night_micros_per_kwh", 0, 10 * MICROS, rate),
        group_method=method,
        share_rule=_choice(raw, "share_rule", [rule.value for rule in ShareRule], ShareRule.BY_COMMITMENT.value),
        control_share_percent=control,
        has_penalty=_flag(raw, "has_penalty"),
        opt_out_percent=_whole(raw, "opt_out_percent", 0, 100, 10),
        currency=_choice(raw, "currency", CURRENCIES, currency),
        time_zone=_zone(str(raw.get("time_zone", time_zone))),
        seed=_seed(raw),
    )


_KEYS = ("name", "kind", "from", "to", "weekdays", "season_months", "max_events", "reward_micros_per_kwh",
         "tariff_micros_per_kwh", "night_micros_per_kwh", "group_method", "share_rule", "control_share_percent",
         "has_penalty", "opt_out_percent", "currency", "time_zone", "seed")  # fmt: skip


def _text(raw: Mapping[Any, Any], key: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > 120 or not _is_writable(value):
        raise DraftError(f"{key}: must be a text of 1 to 120 characters.")
    return value.strip()


def _is_writable(text: str) -> bool:
    """Say whether a database takes the text: JSON can hold NUL bytes and halves of characters, which none does."""
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _seed(raw: Mapping[Any, Any]) -> str:
    value = raw.get("seed", "1")
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not _is_writable(value):
        raise DraftError("seed: must be a text of 1 to 64 characters.")
    return value


def _choice(raw: Mapping[Any, Any], key: str, known: Sequence[str], default: str = "") -> str:
    value = raw.get(key, default)
    if value not in known:
        raise DraftError(f"{key}: must be one of {', '.join(known)}.")
    return str(value)


def _whole(raw: Mapping[Any, Any], key: str, least: int, most: int, default: int | None) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DraftError(f"{key}: must be a whole number from {least} to {most}.")
    return value


def _flag(raw: Mapping[Any, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise DraftError(f"{key}: must be true or false.")
    return value


def _several(raw: Mapping[Any, Any], key: str, least: int, most: int) -> tuple[int, ...]:
    value = raw.get(key, list(range(least, most + 1)))
    fits = isinstance(value, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in value)
    if not fits or not value or not all(least <= one <= most for one in value):
        raise DraftError(f"{key}: must be a list of whole numbers from {least} to {most}.")
    return tuple(sorted(set(value)))


def _time(raw: Mapping[Any, Any], key: str) -> time:
    try:
        return time.fromisoformat(str(raw.get(key, "")))
    except ValueError:
        raise DraftError(f'{key}: must be a time such as "18:00".') from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise DraftError(f"time_zone: there is no zone {name[:40]!r}.") from None
    return name
