"""What makers push: only what is genuine, each once, in any order, and never more than was said."""

import json
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, Notice, User
from foundation import clock
from foundation.fields import keyed_hash
from tests.factories import vehicles as make
from tests.vehicles.scripted_maker import VIN, scripted_maker, sign, state
from vehicles.automakers.base import CommandReceipt, Observed, ReceiptState, VehicleState
from vehicles.automakers.push import Push, PushKind
from vehicles.flows import telemetry
from vehicles.flows.pushes import MOST_BODY_BYTES, apply_pushes, forget_old_messages
from vehicles.models import ChargeReading, Command, MakerMessage, Vehicle, VehicleLink

CAR, SUBJECT = "car-canary-one", "subject-canary"
ADDRESS = "/webhooks/makers/scripted/"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def script(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker that pushes; `pushes` says what the events of a body mean."""
    script = scripted_maker(settings, monkeypatch)
    script["pushes"] = {}
    return script


@pytest.fixture
def car(alice: User, at_now: Any, now: datetime, script: dict[str, Any]) -> Vehicle:
    """Alice's car at that maker, at its home plug."""
    link = make.link(alice, maker="scripted", subject_hash=keyed_hash(f"scripted:{SUBJECT}"))
    return make.ready_car(alice, now=now, of=link, external_id=CAR, vin=VIN)


def push(script: dict[str, Any], *pushes: Push, signature: str | None = None, **body: Any) -> Any:
    """Send what a maker would; returns the answer."""
    script["pushes"] = {str(number): one for number, one in enumerate(pushes)}
    raw = json.dumps({"events": list(script["pushes"]), **body}).encode()
    headers = {"X-Signature": sign(raw) if signature is None else signature}
    return Client().post(ADDRESS, raw, content_type="application/json", headers=headers)


def told(at: datetime, event_id: str = "", soc: float = 55.0, **fields: Any) -> Push:
    return Push(PushKind.STATE, event_id, external_id=CAR, state=state(at, soc, **fields))


def test_pushed_state_is_kept_and_puts_the_next_reading_off(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    Vehicle.objects.update(read_failure="maker_down", read_failures=3)

    answer = push(script, told(now - MINUTE, "one"))

    reading = ChargeReading.objects.first()
    car.refresh_from_db()
    assert (answer.status_code, answer.content) == (200, b"")
    assert reading is not None
    assert (reading.source, reading.soc_percent, reading.observed_at) == ("webhook", Decimal(55), now - MINUTE)
    assert reading.is_at_home
    assert car.next_read_at is not None
    assert now + 10 * MINUTE <= car.next_read_at < now + timedelta(hours=1)  # at its plug it may be steered
    assert (car.read_failure, car.read_failures) == ("", 0)

    push(script, told(now, "two", plugged=False))

    car.refresh_from_db()
    assert car.next_read_at == now + timedelta(hours=1)


def test_repeats_and_shuffled_messages_end_in_the_newest_state(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    news = [told(now - 4 * MINUTE, "a", 51), told(now - MINUTE, "c", 53), told(now - 3 * MINUTE, "b", 52)]
    for _ in range(3):
        for one in news:
            assert push(script, one).status_code == 200

    kept = ChargeReading.objects.filter(source="webhook").values_list("soc_percent", flat=True)
    assert sorted(int(soc or 0) for soc in kept) == [51, 52, 53]
    assert ChargeReading.objects.order_by("-observed_at")[0].soc_percent == 53
    assert MakerMessage.objects.count() == 3


def test_two_owners_of_one_account_hear_the_same_message_once_each(
    alice: User, bob: User, car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    other = make.link(bob, maker="scripted", subject_hash=keyed_hash(f"scripted:{SUBJECT}"))
    make.ready_car(bob, now=now, of=other, external_id=CAR, vin=VIN, is_controlling=False)

    applied = [
        apply_pushes(maker="scripted", pushes=[told(now - MINUTE, "one")], source="stream", now=now, link=link)
        for link in (car.link, other, car.link, other)
    ]

    assert applied == [1, 1, 0, 0]


def test_messages_of_one_instant_complete_each_other(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    at = now - MINUTE

    def part(event_id: str, **values: Any) -> Push:
        seen = {name: Observed(value, at, now, "webhook") for name, value in values.items()}
        return Push(PushKind.STATE, event_id, external_id=CAR, state=VehicleState(**seen))

    for one in (
        part("charge", soc_percent=61.0),
        part("state", charge_state="complete"),
        part("again", soc_percent=61.0),
        part("power", power_w=0),
    ):
        push(script, one)

    newest = ChargeReading.objects.order_by("-observed_at")[0]
    assert (newest.soc_percent, newest.charge_state, newest.power_w) == (Decimal(61), "complete", 0)
    assert newest.observed_at - at < timedelta(milliseconds=1)
    assert ChargeReading.objects.filter(source="webhook").count() == 3  # what was said already is no news


def test_first_value_of_a_car_does_not_put_its_first_reading_off(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    ChargeReading.objects.all().delete()
    Vehicle.objects.update(next_read_at=now)
    charge = VehicleState(soc_percent=Observed(61.0, now - MINUTE, now, "webhook"))

    push(script, Push(PushKind.STATE, "one", external_id=CAR, state=charge))

    car.refresh_from_db()
    assert ChargeReading.objects.filter(source="webhook", is_plugged_in=None).count() == 1
    assert car.next_read_at == now


def test_message_that_failed_half_way_is_taken_at_its_repeat(
    car: Vehicle, now: datetime, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(telemetry, "record_state", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push(script, told(now, "one"))
    assert not MakerMessage.objects.exists()

    push(script, told(now, "one"))

    assert ChargeReading.objects.filter(source="webhook").count() == 1


@pytest.mark.parametrize("signature", ["", "0" * 64, "nonsense"])
def test_what_is_not_signed_is_refused_and_nothing_is_kept(
    car: Vehicle, now: datetime, script: dict[str, Any], signature: str
) -> None:
    before = ChargeReading.objects.count()

    answer = push(script, told(now, "one"), signature=signature)

    assert (answer.status_code, answer.content) == (400, b"not_genuine")
    assert (ChargeReading.objects.count(), MakerMessage.objects.count()) == (before, 0)


def test_makers_that_push_nothing_have_no_address(car: Vehicle) -> None:
    for maker in ("ford", "trabant"):
        assert Client().post(f"/webhooks/makers/{maker}/", b"{}", content_type="application/json").status_code == 404
    assert Client().get(ADDRESS).status_code == 405


def test_long_messages_are_refused_before_anybody_reads_them(car: Vehicle, script: dict[str, Any]) -> None:
    raw = b" " * (MOST_BODY_BYTES + 1)
    answer = Client().post(ADDRESS, raw, content_type="application/json", headers={"X-Signature": sign(raw)})
    assert answer.status_code == 413


def test_challenge_is_answered_within_the_request(car: Vehicle, script: dict[str, Any]) -> None:
    answer = push(script, reply={"challenge": "hashed"})
    assert answer.json() == {"challenge": "hashed"}


def test_cars_that_are_not_ours_are_ignored(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    before = ChargeReading.objects.count()
    stranger = Push(PushKind.STATE, "one", external_id="somebody-elses", state=state(now))
    other_account = Push(PushKind.STATE, "two", external_id=CAR, subject="another", state=state(now))

    assert push(script, stranger, other_account).status_code == 200
    assert ChargeReading.objects.count() == before


def test_owner_who_took_consent_back_is_not_read(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    revoke_consent(user=car.owner, purpose=Consent.Purpose.DATA_USE, now=now)
    before = ChargeReading.objects.count()

    push(script, told(now, "one"))

    assert ChargeReading.objects.count() == before


def test_value_from_the_future_is_dropped(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    before = ChargeReading.objects.count()
    push(script, told(now + timedelta(hours=1), "one"))
    assert ChargeReading.objects.count() == before


def test_what_a_message_leaves_out_is_as_it_was(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    only_soc = VehicleState(soc_percent=Observed(61.0, now - MINUTE, clock.now(), "webhook"))

    push(script, Push(PushKind.STATE, "one", external_id=CAR, state=only_soc))

    reading = ChargeReading.objects.order_by("-observed_at")[0]
    assert (reading.soc_percent, reading.is_plugged_in, reading.charge_state) == (Decimal(61), True, "charging")
    assert (reading.limit_percent, reading.is_at_home, reading.power_w) == (Decimal(90), True, None)


def test_unplugging_alone_ends_charging_too(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    pulled = VehicleState(is_plugged_in=Observed(False, now - MINUTE, clock.now(), "webhook"))

    push(script, Push(PushKind.STATE, "one", external_id=CAR, state=pulled))

    reading = ChargeReading.objects.order_by("-observed_at")[0]
    assert (reading.is_plugged_in, reading.charge_state, reading.soc_percent) == (False, "unplugged", Decimal(60))


def test_what_is_long_past_is_not_carried_and_has_the_car_read(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    ChargeReading.objects.update(observed_at=now - timedelta(hours=2))
    Vehicle.objects.update(next_read_at=now + timedelta(hours=3))
    only_soc = VehicleState(soc_percent=Observed(61.0, now - MINUTE, clock.now(), "webhook"))

    push(script, Push(PushKind.STATE, "one", external_id=CAR, state=only_soc))

    car.refresh_from_db()
    assert ChargeReading.objects.order_by("-observed_at")[0].is_plugged_in is None
    assert car.next_read_at == now + timedelta(seconds=car.can.min_poll_seconds)


def test_car_that_left_the_account_is_let_go_and_its_owner_told(
    car: Vehicle, now: datetime, script: dict[str, Any]
) -> None:
    for _ in range(2):
        push(script, Push(PushKind.CAR_GONE, "gone", external_id=CAR, subject=SUBJECT))

    car.refresh_from_db()
    assert car.state == Vehicle.State.UNLINKED
    assert [notice.kind for notice in Notice.objects.all()] == ["car_left"]
    assert ChargeReading.objects.filter(vehicle=car).exists()


def test_car_that_came_into_the_account_has_it_listed(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    VehicleLink.objects.update(listed_at=now)
    push(script, Push(PushKind.CAR_ADDED, "added", external_id="new-one", subject=SUBJECT))
    assert VehicleLink.objects.get().listed_at is None


def test_permission_withdrawn_at_the_maker_stops_the_link(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    push(script, Push(PushKind.LINK_REVOKED, "revoked", subject=SUBJECT))

    link = VehicleLink.objects.get()
    assert (link.state, link.state_reason) == (VehicleLink.State.NEEDS_RELINK, "revoked_at_maker")
    assert [notice.kind for notice in Notice.objects.all()] == ["link_needs_relink"]


@pytest.mark.parametrize("kind", [PushKind.LINK_REVOKED, PushKind.CAR_GONE])
def test_late_news_of_an_older_permission_ends_nothing(
    car: Vehicle, now: datetime, script: dict[str, Any], kind: PushKind
) -> None:
    VehicleLink.objects.update(linked_at=now)
    before = now - timedelta(minutes=5)
    push(script, Push(kind, "late", external_id=CAR, subject=SUBJECT, occurred_at=before))

    car.refresh_from_db()
    assert (VehicleLink.objects.get().state, car.state) == (VehicleLink.State.ACTIVE, Vehicle.State.ACTIVE)


def receipt(state: ReceiptState, now: datetime) -> Push:
    return Push(PushKind.COMMAND, "", external_id=CAR, receipt=CommandReceipt("maker-id", str(state), now))


def test_hold_that_failed_at_the_car_is_given_up_at_once(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    hold = make.command(car, now=now, maker_command_id="maker-id")

    push(script, receipt(ReceiptState.FAILED, now))

    hold.refresh_from_db()
    assert (hold.state, hold.failure) == (Command.State.TIMED_OUT, "failed_at_car")
    assert Command.objects.filter(kind="resume").count() == 1


def test_release_that_failed_is_sent_again(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    resume = make.command(car, now=now, kind="resume", ended_by="nobody", ends_at=None, maker_command_id="maker-id")

    push(script, receipt(ReceiptState.FAILED, now))

    resume.refresh_from_db()
    assert (resume.state, resume.failure) == (Command.State.DUE, "failed_at_car")


def test_completed_is_believed_once_the_car_shows_it(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    Vehicle.objects.update(next_read_at=now + timedelta(hours=1))
    hold = make.command(car, now=now, maker_command_id="maker-id", state=Command.State.UNKNOWN)

    push(script, receipt(ReceiptState.COMPLETED, now))

    hold.refresh_from_db()
    car.refresh_from_db()
    assert (hold.state, car.next_read_at) == (Command.State.ACCEPTED, now)
    assert (
        push(script, Push(PushKind.COMMAND, "", external_id=CAR, receipt=CommandReceipt("", "failed", now))).status_code
        == 200
    )
    assert push(script, receipt(ReceiptState.FAILED, now), events=[]).status_code == 200


def test_known_messages_are_forgotten_after_two_weeks(car: Vehicle, now: datetime, script: dict[str, Any]) -> None:
    push(script, told(now, "one"))
    MakerMessage.objects.create(maker="scripted", event_hash="old", received_at=clock.wall() - timedelta(days=15))

    assert forget_old_messages() == 1
    assert MakerMessage.objects.count() == 1


def test_no_identity_or_place_is_logged_or_kept_in_clear(
    car: Vehicle, now: datetime, script: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    push(script, told(now, "event-canary"), Push(PushKind.LINK_REVOKED, "revoked", subject=SUBJECT))
    push(script, told(now, "event-canary"), signature="forged")

    dump = repr(list(MakerMessage.objects.values())) + repr(list(ChargeReading.objects.values()))
    for canary in (CAR, SUBJECT, VIN, "event-canary", "30.26", "97.74", "webhook-secret-canary"):
        assert canary not in caplog.text
        assert canary not in dump
