"""From readings to the ledger: once, with reasons, corrected only by new rows."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Notice, User
from grid.flows.events.freezing import freeze
from grid.flows.plans.cars import load_cars
from grid.flows.settlement import cases, measuring, settling
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.metering import evidence
from grid.metering.cases import Window
from grid.metering.settlement import settle
from grid.models import Enrollment, EventParticipation, GridEvent, ProgramTerms, Settlement, Site
from rewards import ledger
from rewards.flows.corrections import corrections_account
from rewards.models import LedgerAccount, Transfer
from tests.factories import grid, nights
from vehicles.models import ChargeReading, PlugSession, Vehicle

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DERIVED = {"imported_wh": None, "exported_wh": None}


@pytest.fixture
def part(alice: User, now: datetime) -> EventParticipation:
    """A hold event from 18:05 to 20:05; the car has been at the plug with 50 % since 16:55. It pays 2.00 per kWh."""
    return grid.participation(nights.plugged_car(alice, now=now), now=now)


def held(part: EventParticipation, *, imported_wh: int = 0, until: timedelta = timedelta(minutes=5)) -> None:
    """Read the car every quarter of an hour, from ten minutes before the event to `until` after it."""
    event, at, place = part.event, part.event.starts_at - 10 * MINUTE, 0
    while at <= event.ends_at + until:
        nights.reading(part.enrollment.vehicle, at=at, soc=62, imported_wh=100_000 + place * imported_wh, exported_wh=5)
        at, place = at + 15 * MINUTE, place + 1


def due_at(part: EventParticipation) -> datetime:
    return part.event.settle_at


def test_held_car_earns_its_baseline(part: EventParticipation) -> None:
    held(part)

    assert settle_due(now=due_at(part), limit=10) == 1

    settlement = Settlement.objects.get()
    # 11.3 kW for two hours; (90 - 50) % of 98 kWh at 0.9 takes 3:51 h from 16:55.
    assert (settlement.baseline_wh, settlement.net_wh, settlement.credited_wh) == (22_600, 0, 22_600)
    assert (settlement.amount_minor, settlement.currency, settlement.grade) == (4_520, "USD", "measured")
    assert settlement.posted_at is None
    part.event.refresh_from_db()
    assert (part.event.state, part.event.settled_at) == (GridEvent.State.SETTLED, due_at(part))


def test_sweeps_that_run_twice_settle_and_pay_once(part: EventParticipation, alice: User) -> None:
    held(part)
    now = due_at(part)

    assert [settle_due(now=now, limit=10), settle_due(now=now, limit=10)] == [1, 0]
    assert [post_due_settlements(now=now, limit=10), post_due_settlements(now=now, limit=10)] == [1, 0]

    transfer = Transfer.objects.get()
    settlement = Settlement.objects.get()
    assert transfer.key == f"settlement:{settlement.public_id}"
    assert (transfer.debit.kind, transfer.debit.key) == (LedgerAccount.Kind.UTILITY_RECEIVABLE, "lone-star")
    assert transfer.credit == ledger.owner_account(alice, "USD")
    assert ledger.owner_balance(alice, "USD").posted_minor == settlement.amount_minor == 4_520
    assert settlement.posted_at == now
    assert Notice.objects.filter(user=alice, kind="settlement_posted").count() == 1
    assert ledger.check() == []


def test_death_between_ledger_and_mark_pays_once(part: EventParticipation, alice: User) -> None:
    held(part)
    settle_due(now=due_at(part), limit=10)
    post_due_settlements(now=due_at(part), limit=10)
    Settlement.objects.update(posted_at=None)

    post_due_settlements(now=due_at(part) + HOUR, limit=10)

    assert Transfer.objects.count() == 1
    assert ledger.owner_balance(alice, "USD").posted_minor == 4_520


def test_event_is_not_settled_before_it_is_due(part: EventParticipation) -> None:
    held(part)

    assert settle_due(now=due_at(part) - MINUTE, limit=10) == 0
    assert not Settlement.objects.exists()


def test_car_that_was_not_read_since_is_waited_for(part: EventParticipation) -> None:
    held(part, until=-5 * MINUTE)

    assert settle_due(now=due_at(part), limit=10) == 0
    part.event.refresh_from_db()
    assert part.event.state == GridEvent.State.ANNOUNCED
    assert part.event.settle_at == part.event.ends_at + 40 * MINUTE

    nights.reading(
        part.enrollment.vehicle, at=part.event.ends_at + 32 * MINUTE, soc=62, imported_wh=100_000, exported_wh=5
    )
    assert settle_due(now=part.event.settle_at, limit=10) == 1
    assert Settlement.objects.get().amount_minor == 4_520


def test_car_that_stays_silent_is_missing_after_a_day_and_corrected_when_it_speaks(
    part: EventParticipation, alice: User
) -> None:
    held(part, until=-5 * MINUTE)
    deadline = part.event.ends_at + 24 * HOUR
    assert settle_due(now=deadline - MINUTE, limit=10) == 0

    GridEvent.objects.update(settle_at=deadline)
    assert settle_due(now=deadline, limit=10) == 1
    first = Settlement.objects.get()
    assert (first.grade, first.reason, first.net_wh, first.amount_minor) == ("missing", "readings_missing", None, 0)
    assert post_due_settlements(now=deadline, limit=10) == 1
    assert not Transfer.objects.exists()

    nights.reading(
        part.enrollment.vehicle,
        at=part.event.ends_at + 10 * MINUTE,
        soc=62,
        fetched_at=deadline + HOUR,
        imported_wh=100_000,
        exported_wh=5,
    )
    assert [settle_due(now=deadline + HOUR, limit=10), settle_due(now=deadline + HOUR, limit=10)] == [1, 0]
    second = Settlement.objects.get(revision=2)
    assert (second.grade, second.amount_minor) == ("measured", 4_520)
    first.refresh_from_db()
    assert first.amount_minor == 0
    post_due_settlements(now=deadline + HOUR, limit=10)
    assert ledger.owner_balance(alice, "USD").posted_minor == 4_520


def test_readings_that_tell_nothing_correct_nothing(part: EventParticipation) -> None:
    GridEvent.objects.update(settle_at=part.event.ends_at + 24 * HOUR)
    settle_due(now=part.event.ends_at + 24 * HOUR, limit=10)
    later = part.event.ends_at + 25 * HOUR
    nights.reading(part.enrollment.vehicle, at=later, soc=62, fetched_at=later)

    assert settle_due(now=later, limit=10) == 0
    assert Settlement.objects.get().grade == "missing"


@pytest.mark.parametrize(
    ("earlier", "later", "posted"),
    [
        pytest.param(1_000, 1_500, 1_500, id="more: the difference is posted"),
        pytest.param(1_500, 1_000, 1_500, id="less: the owner keeps what was promised, the platform bears it"),
        pytest.param(1_000, 1_000, 1_000, id="the same: nothing is posted"),
    ],
)
def test_correction_posts_only_what_it_adds(
    earlier: int, later: int, posted: int, part: EventParticipation, alice: User
) -> None:
    held(part)
    settle_due(now=due_at(part), limit=10)
    Settlement.objects.update(amount_minor=earlier)
    post_due_settlements(now=due_at(part), limit=10)
    correction = Settlement.objects.get()
    correction.pk, correction.revision, correction.amount_minor, correction.posted_at = None, 2, later, None
    correction.public_id = part.public_id
    correction.save()

    post_due_settlements(now=due_at(part) + HOUR, limit=10)

    assert ledger.owner_balance(alice, "USD").posted_minor == posted
    utility = part.event.terms.program.utility.slug
    owed = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, utility, "USD")
    assert ledger.balance(owed).posted_minor == -later
    assert ledger.balance(corrections_account("USD")).posted_minor == later - posted
    assert not Settlement.objects.filter(posted_at=None).exists()
    assert ledger.check() == []


@pytest.mark.parametrize("state", [EventParticipation.State.OPTED_OUT, EventParticipation.State.UNABLE])
def test_car_that_took_no_part_has_no_settlement(state: str, part: EventParticipation) -> None:
    held(part)
    EventParticipation.objects.update(state=state)

    assert settle_due(now=due_at(part), limit=10) == 0
    part.event.refresh_from_db()
    assert part.event.state == GridEvent.State.SETTLED


def test_cancelled_event_is_not_settled(part: EventParticipation) -> None:
    held(part)
    GridEvent.objects.update(state=GridEvent.State.CANCELLED)

    assert settle_due(now=due_at(part), limit=10) == 0


def test_car_that_charged_as_ever_earns_nothing_and_hears_nothing(part: EventParticipation, alice: User) -> None:
    held(part, imported_wh=2_825)
    settle_due(now=due_at(part), limit=10)

    assert post_due_settlements(now=due_at(part), limit=10) == 1

    settlement = Settlement.objects.get()
    assert (settlement.net_wh, settlement.amount_minor, settlement.reason) == (22_600, 0, "no_reduction")
    assert not Transfer.objects.exists()
    assert not Notice.objects.exists()


def test_car_that_was_away_earns_nothing(part: EventParticipation) -> None:
    PlugSession.objects.update(unplugged_at=part.event.starts_at - MINUTE)
    nights.reading(
        part.enrollment.vehicle, at=part.event.ends_at + MINUTE, soc=40, is_plugged_in=False, is_at_home=False
    )
    settle_due(now=due_at(part), limit=10)

    assert (Settlement.objects.get().reason, Settlement.objects.get().baseline_wh) == ("not_plugged_in", 0)


def test_plug_elsewhere_is_not_paid(part: EventParticipation) -> None:
    PlugSession.objects.update(is_at_home=False)
    held(part)
    settle_due(now=due_at(part), limit=10)

    assert Settlement.objects.get().amount_minor == 0


def test_car_that_streams_is_settled_like_any_other(part: EventParticipation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MOST_READINGS", 20)
    vehicle, event = part.enrollment.vehicle, part.event
    PlugSession.objects.update(unplugged_at=event.ends_at - 31 * MINUTE)
    begins_at, soc = event.starts_at - 30 * MINUTE, 50
    ChargeReading.objects.bulk_create(
        ChargeReading(
            vehicle=vehicle, observed_at=begins_at + minute * MINUTE, fetched_at=begins_at + minute * MINUTE,
            soc_percent=soc, limit_percent=90, is_plugged_in=True, is_at_home=True, charge_state="charging",
            imported_wh=10 * minute * minute if minute % 7 == 0 else None, exported_wh=0,
        )
        for minute in range(170)
    )  # fmt: skip

    settle_due(now=due_at(part), limit=10)

    monkeypatch.setattr(cases, "MOST_READINGS", 2000)
    whole = cases.Cases(event=Window(event.starts_at, event.ends_at), vehicle_ids=[vehicle.pk])
    found, expected = Settlement.objects.get(), settle(whole.of(part))
    assert (found.grade, found.net_wh, found.baseline_wh) == ("measured", expected.net_wh, expected.baseline_wh)
    assert len(found.evidence["readings"]) < 40


def test_slower_charger_sets_the_baseline(part: EventParticipation) -> None:
    part.enrollment.site.evse_max_charge_w = 7_200
    part.enrollment.site.save()
    held(part)
    settle_due(now=due_at(part), limit=10)

    assert Settlement.objects.get().baseline_wh == 14_400


@pytest.mark.parametrize(("version", "baseline_wh"), [(1, 22_600), (2, 14_400)])
def test_charger_told_of_after_notice_counts_from_the_next_event(
    version: int, baseline_wh: int, part: EventParticipation, now: datetime
) -> None:
    ProgramTerms.objects.update(baseline_version=version)
    site, vehicle = part.enrollment.site, part.enrollment.vehicle
    Site.objects.filter(pk=site.pk).update(evse_max_charge_w=7_200)
    kept = freeze(load_cars([vehicle.pk], now=now)[vehicle.pk], event=part.event, now=now)[1]
    EventParticipation.objects.update(frozen=kept)
    Site.objects.filter(pk=site.pk).update(evse_max_charge_w=19_200)
    held(part)

    settle_due(now=due_at(part), limit=10)

    assert Settlement.objects.get().baseline_wh == baseline_wh


def test_canadian_car_earns_canadian_cents(chloe: User, now: datetime) -> None:
    program = grid.program(grid.utility("ontario-hydro", country="CA"), slug="winter-relief")
    enrolled = grid.enrollment(chloe, now=now, of=program, nickname="Érable")
    nights.arrives(enrolled.vehicle, at=now - 10 * MINUTE, soc=50)
    terms = ProgramTerms.objects.get(program=program)
    part = grid.participation(enrolled, now=now, in_event=grid.event(now=now, of=terms, state="announced"))
    held(part)
    settle_due(now=due_at(part), limit=10)
    post_due_settlements(now=due_at(part), limit=10)

    assert ledger.owner_balance(chloe, "CAD").posted_minor == 4_520
    assert ledger.owner_balance(chloe, "USD").posted_minor == 0


def test_evidence_alone_gives_the_same_settlement(part: EventParticipation) -> None:
    held(part, imported_wh=333)
    settle_due(now=due_at(part), limit=10)
    settlement = Settlement.objects.get()

    again = evidence.recompute(settlement.evidence)

    assert (again.baseline_wh, again.net_wh, again.amount_minor) == (
        settlement.baseline_wh,
        settlement.net_wh,
        settlement.amount_minor,
    )
    assert len(settlement.evidence["readings"]) == 10
    kept = str(settlement.evidence)
    assert part.enrollment.vehicle.vin_hash not in kept
    assert "Lightning" not in kept


def test_one_participation_that_fails_leaves_the_others_settled(
    part: EventParticipation, bob: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    other = nights.plugged_car(bob, now=now)
    grid.participation(other, now=now, in_event=part.event)
    held(part)
    held(EventParticipation.objects.get(enrollment=other))
    Vehicle.objects.filter(pk=part.enrollment.vehicle_id).update(charge_efficiency="0.001", capacity_wh=2_000_000_000)
    PlugSession.objects.filter(vehicle=part.enrollment.vehicle).update(limit_percent=100, soc_percent=0)

    assert settle_due(now=due_at(part), limit=10) == 1
    assert Settlement.objects.get().participation.enrollment == other
    part.event.refresh_from_db()
    assert part.event.state == GridEvent.State.ANNOUNCED


def test_second_settler_finds_the_event_taken(part: EventParticipation) -> None:
    held(part)
    GridEvent.objects.update(lease_until=datetime.now(UTC) + HOUR)

    assert settle_due(now=due_at(part), limit=10) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": -1},
        {"credited_wh": -1},
        {"grade": "missing"},
        {"net_wh": None},
        {"grade": "missing", "net_wh": None, "delivered_wh": None, "credited_wh": 5},
    ],
    ids=[
        "charges the owner",
        "credits less than nothing",
        "missing, yet known",
        "unknown, yet measured",
        "missing, paid",
    ],
)
def test_database_refuses_a_settlement_that(wrong: dict[str, Any], part: EventParticipation) -> None:
    held(part)
    settle_due(now=due_at(part), limit=10)

    with pytest.raises(IntegrityError), transaction.atomic():
        Settlement.objects.update(**wrong)


def test_enrollment_that_ended_meanwhile_is_still_paid(part: EventParticipation, alice: User) -> None:
    held(part)
    Enrollment.objects.update(ended_at=part.event.ends_at)
    settle_due(now=due_at(part), limit=10)
    post_due_settlements(now=due_at(part), limit=10)

    assert ledger.owner_balance(alice, "USD").posted_minor == 4_520


@pytest.fixture
def other(part: EventParticipation, bob: User, now: datetime) -> EventParticipation:
    """Bob's car in the same event."""
    return grid.participation(nights.plugged_car(bob, now=now), now=now, in_event=part.event)


def test_large_event_is_gone_on_with_by_the_next_sweep(
    part: EventParticipation, other: EventParticipation, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(part)
    held(other)
    monkeypatch.setattr(settling, "SWEEP_SECONDS", -1)
    assert settle_due(now=due_at(part), limit=10) == 0
    monkeypatch.setattr(settling, "SWEEP_SECONDS", 20)
    monkeypatch.setattr(settling, "AT_ONCE", 1)

    assert settle_due(now=due_at(part), limit=10) == 2
    part.event.refresh_from_db()
    assert part.event.state == GridEvent.State.SETTLED


def test_settlement_saved_by_somebody_else_leaves_the_others_saved(
    part: EventParticipation, other: EventParticipation
) -> None:
    held(part)
    held(other)
    settle_due(now=due_at(part), limit=10)
    both = list(Settlement.objects.order_by("pk"))
    Settlement.objects.filter(participation=other).delete()

    assert measuring.keep([fresh(one) for one in both]) == 1
    assert Settlement.objects.count() == 2


def fresh(one: Settlement) -> Settlement:
    one.pk, one.public_id = None, uuid.uuid4()
    one._state.adding = True
    return one


def test_settlement_that_cannot_be_posted_leaves_the_others_posted(
    part: EventParticipation, other: EventParticipation, alice: User, bob: User
) -> None:
    held(part)
    held(other)
    settle_due(now=due_at(part), limit=10)
    Settlement.objects.filter(participation=part).update(currency="XXX")

    assert post_due_settlements(now=due_at(part), limit=10) == 1
    assert ledger.owner_balance(bob, "USD").posted_minor == 4_520
    assert ledger.owner_balance(alice, "USD").posted_minor == 0
    assert ledger.check() == []


def test_correction_waits_for_what_it_corrects(part: EventParticipation, alice: User) -> None:
    held(part)
    settle_due(now=due_at(part), limit=10)
    second = fresh(Settlement.objects.get())
    second.revision, second.amount_minor = 2, 5_000
    second.save()

    assert post_due_settlements(now=due_at(part), limit=1) == 1
    assert ledger.owner_balance(alice, "USD").posted_minor == 4_520
    assert post_due_settlements(now=due_at(part), limit=1) == 1
    assert ledger.owner_balance(alice, "USD").posted_minor == 5_000
