"""Events outside a program's months or hours, or above its caps, are refused to admins and to utilities' servers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grid.flows.events.changing import change_event
from grid.flows.events.events import UnableToSaveEvent, cancel_event, create_event
from grid.models import GridEvent, ProgramTerms
from tests.factories import grid as make

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
EVENINGS = [{"weekdays": [0, 1, 2, 3, 4, 5, 6], "from": "16:00", "to": "21:00"}]
# The tests' clock shows Wednesday, 18 November 2026; 23:00 UTC is 17:00 in Chicago.
TONIGHT = datetime(2026, 11, 18, 23, tzinfo=UTC)


def terms(now: datetime, **rules: Any) -> ProgramTerms:
    return make.terms(now=now, minimum_notice_minutes=0, **rules)


def ask(of: ProgramTerms, now: datetime, *, at: datetime = TONIGHT, hours: float = 1) -> GridEvent:
    ends_at = at + hours * HOUR
    return create_event(terms=of, kind="hold", starts_at=at, ends_at=ends_at, target_w=9, created_by=None, now=now)


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        pytest.param({"season_months": [5, 6, 7]}, "out_of_season", id="the wrong months"),
        pytest.param(
            {"windows": [{"weekdays": [5, 6], "from": "16:00", "to": "21:00"}]}, "out_of_hours", id="weekends"
        ),
        pytest.param({"windows": [{**EVENINGS[0], "from": "17:15"}]}, "out_of_hours", id="later hours"),
        pytest.param({"max_events_per_season": 0}, "too_many_this_season", id="no event at all"),
        pytest.param({"max_minutes_per_season": 59}, "too_long_this_season", id="less than an hour"),
        pytest.param({"max_events_per_day": 0}, "too_many_this_day", id="none a day"),
    ],
)
def test_event_against_the_terms_is_refused(rules: dict[str, Any], code: str) -> None:
    now = TONIGHT - 3 * HOUR
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(terms(now, **rules), now)
    assert refused.value.reason_code == code


def test_event_within_the_terms_is_made() -> None:
    now = TONIGHT - 3 * HOUR
    rules = {"max_events_per_season": 1, "max_minutes_per_season": 60, "max_events_per_day": 1}
    assert ask(terms(now, season_months=[11], windows=EVENINGS, **rules), now).pk


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"max_events_per_day": 1}, "too_many_this_day"),
        ({"max_events_per_season": 1}, "too_many_this_season"),
        ({"max_minutes_per_season": 90}, "too_long_this_season"),
    ],
)
def test_caps_count_what_stands_and_not_what_was_cancelled(rules: dict[str, Any], code: str) -> None:
    now = TONIGHT - 3 * HOUR
    of = terms(now, **rules)
    first = ask(of, now)
    with pytest.raises(UnableToSaveEvent) as refused:
        ask(of, now, at=TONIGHT + 2 * HOUR)
    assert refused.value.reason_code == code
    cancel_event(event=first, now=now)
    assert ask(of, now, at=TONIGHT + 2 * HOUR).pk


def test_a_day_is_the_utilitys_and_its_cap_says_nothing_of_the_next() -> None:
    now = TONIGHT - 3 * HOUR
    of = terms(now, max_events_per_day=1)
    ask(of, now, at=datetime(2026, 11, 19, 5, tzinfo=UTC), hours=0.5)  # 23:00 in Chicago, still the 18th
    assert ask(of, now, at=datetime(2026, 11, 19, 6, tzinfo=UTC)).pk


def test_change_keeps_to_the_terms_without_counting_the_event_itself() -> None:
    now = TONIGHT - 3 * HOUR
    of = terms(now, windows=EVENINGS, max_events_per_season=1, max_minutes_per_season=120)
    event = ask(of, now)
    moved = change_event(event=event, starts_at=TONIGHT + HOUR, ends_at=TONIGHT + 2 * HOUR, target_w=9, now=now)
    assert moved.starts_at == TONIGHT + HOUR
    for ends_at, code in ((TONIGHT + 3.75 * HOUR, "too_long_this_season"), (TONIGHT + 4.25 * HOUR, "out_of_hours")):
        with pytest.raises(UnableToSaveEvent) as refused:
            change_event(event=event, starts_at=TONIGHT + 1.5 * HOUR, ends_at=ends_at, target_w=9, now=now)
        assert refused.value.reason_code == code


def test_event_that_runs_is_made_longer_within_the_terms_only() -> None:
    now = TONIGHT - 3 * HOUR
    event = ask(terms(now, windows=EVENINGS), now, at=TONIGHT + 2 * HOUR)
    running = TONIGHT + 2.5 * HOUR
    with pytest.raises(UnableToSaveEvent) as refused:
        change_event(event=event, starts_at=event.starts_at, ends_at=TONIGHT + 4.5 * HOUR, target_w=9, now=running)
    assert refused.value.reason_code == "out_of_hours"
