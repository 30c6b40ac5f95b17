"""What owners are told: once a key, in words that are chosen when somebody reads them. Sending is delivering's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Notice, User
from accounts.notice_kinds import GROUPS, KINDS, kind_of, text_for
from foundation import formats
from foundation.formats import Reader, reader_in
from foundation.refusals import Refusal

BATCH = 500


class UnableToNotify(Refusal):
    """The notice was not made."""


@dataclass(frozen=True)
class ReadableNotice:
    """A notice as its owner reads it; `path` is the page that shows more."""

    title: str
    body: str
    path: str
    group: str


class _Parameters(dict[str, str]):
    """Shows a parameter that was not given as a dash: a thin notice beats none."""

    def __missing__(self, key: str) -> str:
        return formats.NOT_THERE


def notify(*, user: User, kind: str, key: str, params: Mapping[str, Any], now: datetime) -> Notice:
    """Tell the user something once per `key`, and return the notice (the first one where the key is known).

    `kind` chooses the text of `notice_kinds.KINDS`; an unknown kind reads generally. `params` hold plain values, never
    words made for one reader. How it goes out is decided by the next sweep. Raises UnableToNotify for an empty key.
    """
    if not key or len(key) > 120:
        raise UnableToNotify("A notice needs a key of 1 to 120 characters.", code="bad_key")
    notice, _ = Notice.objects.get_or_create(
        user=user, key=key, defaults={"kind": kind, "params": dict(params), "created_at": now}
    )
    return notice


def notify_all(*, user_ids: Iterable[int], kind: str, key: str, params: Mapping[str, Any], now: datetime) -> None:
    """Tell many users the same thing, each once per `key`; telling again adds nothing."""
    notices = [
        Notice(user_id=user_id, kind=kind, key=key, params=dict(params), created_at=now)
        for user_id in dict.fromkeys(user_ids)
    ]
    Notice.objects.bulk_create(notices, batch_size=BATCH, ignore_conflicts=True)


def told_of(*, user_ids: Iterable[int], key_starts: Sequence[str]) -> set[int]:
    """Return which of the users were told something whose key begins so, whether they have read it or not."""
    begins = Q()
    for start in key_starts:
        begins |= Q(key__startswith=start)
    found, wanted = set[int](), list(user_ids)
    for place in range(0, len(wanted), BATCH):
        some = Notice.objects.filter(begins, user__in=wanted[place : place + BATCH])
        found |= set(some.values_list("user", flat=True))
    return found


def mark_read(*, notice: Notice, now: datetime) -> Notice:
    """Record that the owner has seen the notice; the first time counts."""
    if notice.read_at is None:
        notice.read_at = now
        notice.save(update_fields=["read_at"])
    return notice


def mark_all_read(*, user: User, now: datetime) -> int:
    """Record that the owner has seen every notice there is, and return how many were new."""
    return Notice.objects.filter(user=user, read_at__isnull=True).update(read_at=now)


def read_aloud(notice: Notice, *, reader: User) -> ReadableNotice:
    """Return the notice in the active language, with times by the reader's own clock."""
    kind, text = kind_of(notice.kind), text_for(notice.kind, notice.params.get("why"))
    with timezone.override(reader.zone):
        values = _Parameters(_shown(notice.params, reader_in(reader.country)))
    title = " ".join(str(text.title).format_map(values).split())  # one line, whatever a car is called
    return ReadableNotice(title, str(text.body).format_map(values), kind.path, kind.group)


def kinds_of_group(group: str) -> list[str]:
    """Return the kinds of a group of `notice_kinds.GROUPS`; none for a group that does not exist."""
    return [slug for slug, kind in KINDS.items() if kind.group == group] if group in GROUPS else []


def no_news_after(notice: Notice) -> datetime | None:
    """Return the instant after which it makes no sense to send the notice or to act on it, or None."""
    told = (notice.params.get(name) for name in kind_of(notice.kind).until)
    return next((datetime.fromisoformat(str(at)) for at in told if at), None)


def _shown(params: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    values = {name: _value(name, value, reader) for name, value in params.items()}
    starts_at, ends_at = (_instant(params.get(name)) for name in ("starts_at", "ends_at"))
    if starts_at and ends_at and timezone.localdate(starts_at) == timezone.localdate(ends_at):
        values["ends_at"] = formats.time_of_day(ends_at, reader=reader)
    currency = str(params.get("currency", "USD"))
    if "amount_minor" in params:
        values["amount"] = formats.money(int(params["amount_minor"]), currency, reader=reader)
    if "reward_micros" in params:
        values["reward"] = formats.rate(int(params["reward_micros"]), currency, reader=reader)
    if "energy_wh" in params:
        values["energy"] = formats.energy(int(params["energy_wh"]), reader=reader)
    return values


def _value(name: str, value: Any, reader: Reader) -> str:
    if name.endswith("_at") and value:
        return formats.moment(datetime.fromisoformat(str(value)), reader=reader)
    if name.endswith("_percent") and value is not None:
        return formats.percent(value, reader=reader)
    return str(value)


def _instant(value: Any) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None
