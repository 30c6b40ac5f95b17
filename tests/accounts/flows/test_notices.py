"""Notices: told once a key, in words chosen when they are read."""

import re
import string
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from accounts.flows.notices import (
    ReadableNotice,
    UnableToNotify,
    mark_all_read,
    mark_read,
    notify,
    notify_all,
    read_aloud,
)
from accounts.models import Notice, NoticeSwitch, User
from accounts.notice_actions import ACTIONS
from accounts.notice_kinds import GROUPS, IN_APP, KINDS

pytestmark = pytest.mark.django_db

HOME = Path(__file__).resolve().parents[3]


def tell(user: User, now: datetime, key: str = "k", kind: str = "payout_sent", **params: Any) -> Notice:
    return notify(user=user, kind=kind, key=key, params=params or {"amount_minor": 1234, "currency": "USD"}, now=now)


def said(notice: Notice, *, reader: User) -> ReadableNotice:
    """Return the notice as it is read, with every kind of space as a plain one."""
    shown = read_aloud(notice, reader=reader)
    title, body = (re.sub(r"[\u202f\u00a0]", " ", text) for text in (shown.title, shown.body))
    return replace(shown, title=title, body=body)


def test_telling_twice_keeps_the_first_notice(alice: User, now: datetime) -> None:
    first = tell(alice, now)
    assert tell(alice, now + timedelta(days=1), amount_minor=1) == first
    assert Notice.objects.get().params["amount_minor"] == 1234


def test_key_is_the_readers_own(alice: User, bob: User, now: datetime) -> None:
    tell(alice, now)
    tell(bob, now)
    assert Notice.objects.count() == 2


@pytest.mark.parametrize("key", ["", "k" * 121])
def test_notice_without_a_fit_key_is_refused(alice: User, now: datetime, key: str) -> None:
    with pytest.raises(UnableToNotify):
        tell(alice, now, key)


def test_many_are_told_once_each(alice: User, bob: User, now: datetime) -> None:
    for _ in range(2):
        notify_all(user_ids=[alice.pk, bob.pk, alice.pk], kind="x", key="k", params={}, now=now)
    assert Notice.objects.count() == 2


def test_times_are_the_readers_own(alice: User, now: datetime) -> None:
    ends_at = now + timedelta(hours=1)
    span = {"starts_at": now.isoformat(), "ends_at": ends_at.isoformat()}
    notice = tell(alice, now, kind="event_cancelled", program="Evening Relief", **span)
    alice.time_zone = "America/St_Johns"
    shown = said(notice, reader=alice)
    assert shown.title == "The event on Wed, Nov 18, 7:35 PM is cancelled"
    assert "from Wed, Nov 18, 7:35 PM to 8:35 PM" in shown.body


def test_an_end_on_another_day_says_its_day(alice: User, now: datetime) -> None:
    span = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(hours=8)).isoformat()}
    notice = tell(alice, now, kind="event_cancelled", program="P", **span)
    assert "to Thu, Nov 19, 1:05 AM" in said(notice, reader=alice).body


def test_words_are_chosen_when_they_are_read(alice: User, chloe: User, now: datetime) -> None:
    notice = tell(alice, now, kind="event_announced", program="P", reward_micros=2_000_000, currency="CAD")
    with translation.override("fr-ca"):
        assert "2,00 $" in said(notice, reader=chloe).body
    assert "CA$2.00 per kWh" in said(notice, reader=alice).body


def test_money_and_energy_are_written_for_the_reader(alice: User, now: datetime) -> None:
    notice = tell(alice, now, kind="settlement_posted", amount_minor=123456, currency="CAD", energy_wh=7420)
    shown = said(notice, reader=alice)
    assert (shown.title, "7.42 kWh" in shown.body) == ("You earned CA$1,234.56", True)


def test_unknown_kind_and_missing_parameters_read_generally(alice: User, now: datetime) -> None:
    assert said(tell(alice, now, kind="later_kind"), reader=alice).title == "News from ChargeScape"
    bare = tell(alice, now, "k2", kind="withdrawn", vehicle="Lightning")
    assert said(bare, reader=alice).title == "Lightning has left –"


def test_what_a_car_is_called_is_only_a_name(alice: User, now: datetime) -> None:
    notice = tell(alice, now, kind="withdrawn", vehicle="{program.__class__}\nBcc: x", program="P")
    assert said(notice, reader=alice).title == "{program.__class__} Bcc: x has left P"


def test_every_kind_that_is_told_has_a_text() -> None:
    told = {
        kind
        for room in ("accounts", "vehicles", "grid", "rewards", "chargescape")
        for path in (HOME / room).rglob("*.py")
        for kind in re.findall(r"(?:notify|notify_all|tell|_tell_of_the_end)\([^)]*?kind=\"(\w+)\"", path.read_text())
    }
    assert {"event_announced", "payout_sent", "link_needs_relink"} <= told
    assert told <= set(KINDS)


def test_every_kind_is_whole() -> None:
    for slug, kind in KINDS.items():
        assert kind.group in GROUPS, slug
        assert set(kind.actions) <= set(ACTIONS), slug
        assert not kind.is_urgent or kind.is_locked, f"{slug} cannot wait, and may be hidden"
        for text in (kind.text, *kind.variants.values()):
            for words in (text.title, text.body):
                names = [name for _, name, _, _ in string.Formatter().parse(str(words)) if name is not None]
                assert all(name.isidentifier() for name in names), (slug, names)


def test_reading_is_recorded_once(alice: User, bob: User, now: datetime) -> None:
    notice = mark_read(notice=tell(alice, now), now=now)
    assert mark_read(notice=notice, now=now + timedelta(days=1)).read_at == now
    tell(alice, now, "second")
    tell(bob, now)
    assert mark_all_read(user=alice, now=now) == 1
    assert Notice.objects.get(user=bob).read_at is None


def test_kind_that_is_not_wanted_in_the_app_is_not_shown_there(alice: User, now: datetime) -> None:
    tell(alice, now)
    tell(alice, now, "other", kind="enrolled", vehicle="V", program="P")
    NoticeSwitch.objects.create(user=alice, kind="enrolled", channel=IN_APP, is_on=False)
    assert [notice.kind for notice in Notice.objects.shown_to(alice)] == ["payout_sent"]
