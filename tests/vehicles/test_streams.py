"""Listening to a real MQTT broker over TLS: connected once, renewed in time, quiet when refused, never in the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from django.core.management import CommandError
from paho.mqtt.enums import CallbackAPIVersion

from accounts.flows.consents import revoke_consent
from accounts.models import Consent, User
from foundation import clock
from foundation.fields import keyed_hash
from sandbox.makers.dialects.bmw.broker import PUBLISHER, Broker, hash_password
from tests.factories import vehicles as make
from tests.throwaway import Missing, mosquitto
from tests.vehicles.scripted_maker import CAN, VIN, scripted_maker
from vehicles.automakers.base import Account
from vehicles.automakers.errors import UpstreamDown
from vehicles.automakers.push import StreamPlan
from vehicles.management.commands.listen import read_shard
from vehicles.models import ChargeReading, MakerSwitch, Vehicle, VehicleLink
from vehicles.streams import Listener

GCID, CAR = "gcid-one", "car-one"
LIFE = timedelta(minutes=60)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker that lets nobody in yet."""
    try:
        with mosquitto() as running:
            yield running
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture
def script(broker: Broker, settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A maker whose accounts stream through the broker, with the password `first`, then those of refreshes."""
    script = scripted_maker(settings, monkeypatch)
    script["life"] = LIFE

    def plan(account: Account) -> StreamPlan:
        password = account.extras.get("password", "first")
        script.setdefault("passwords", []).append(password)
        expires_at = clock.wall() + script["life"]
        return StreamPlan("localhost", broker.port, GCID, password, (f"{GCID}/+",), expires_at, str(broker.ca_file))

    script["plan"] = plan
    allow(broker, "first")
    return script


@pytest.fixture
def car(alice: User, script: dict[str, Any]) -> Vehicle:
    """Alice's car at that maker."""
    link = make.link(alice, maker="scripted", subject_hash=keyed_hash("scripted:account-one"))
    return make.ready_car(alice, now=clock.now(), can=CAN, of=link, external_id=CAR, vin=VIN)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """One process's listener."""
    one = Listener()
    yield one
    one.close()


def allow(broker: Broker, password: str) -> None:
    """Let the account in with this password alone."""
    broker.let_in({GCID: hash_password(password)})


def wait_for(listener: Listener, is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    """Let the listener work until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, listener
        listener.tick()
        listener.take_messages(seconds=0.05)


def is_up(listener: Listener) -> Callable[[], bool]:
    return lambda: any(line.is_up for line in listener.lines.values())


def publish(broker: Broker, *payloads: bytes, topic: str = f"{GCID}/car") -> None:
    """Say something as the maker would."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(PUBLISHER, broker.publisher_password)
    client.tls_set(ca_certs=str(broker.ca_file))
    client.connect("localhost", broker.port)
    client.loop_start()
    for payload in payloads:
        client.publish(topic, payload, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def message(soc: float, at: datetime | None = None) -> bytes:
    return json.dumps({"car": CAR, "soc": soc, "at": (at or clock.now()).isoformat()}).encode()


def streamed() -> list[int]:
    rows = ChargeReading.objects.filter(source="stream").order_by("observed_at")
    return [int(soc) for soc in rows.values_list("soc_percent", flat=True) if soc is not None]


def test_streamed_values_are_kept_and_nonsense_is_not(broker: Broker, car: Vehicle, listener: Listener) -> None:
    wait_for(listener, is_up(listener))
    at = clock.now()

    publish(
        broker, message(51, at - timedelta(seconds=20)), b"\xff\x00", b"{}", message(51, at - timedelta(seconds=20))
    )
    publish(broker, message(52, at - timedelta(seconds=10)))

    wait_for(listener, lambda: len(streamed()) == 2)
    assert streamed() == [51, 52]
    assert "first" not in repr(listener)  # nor does it print its passwords


def test_silence_is_normal_and_ticks_open_nothing_twice(
    car: Vehicle, listener: Listener, script: dict[str, Any]
) -> None:
    wait_for(listener, is_up(listener))
    channel = next(iter(listener.lines.values())).channel
    for _ in range(5):
        assert listener.tick() == 1
    assert next(iter(listener.lines.values())).channel is channel
    assert script["passwords"] == ["first"]


def test_connection_is_renewed_with_a_new_password_before_the_old_one_ends(
    broker: Broker, car: Vehicle, listener: Listener, script: dict[str, Any]
) -> None:
    plan = script["plan"]

    def move_with_it(account: Account) -> StreamPlan:
        made: StreamPlan = plan(account)
        allow(broker, made.password)
        return made

    script["plan"] = move_with_it
    began = clock.wall()
    wait_for(listener, is_up(listener))
    line = next(iter(listener.lines.values()))
    first = line.channel
    assert line.renew_at is not None
    assert began + LIFE / 2 < line.renew_at < began + LIFE
    line.renew_at = clock.wall()  # as if that time had come

    wait_for(listener, lambda: len(script["passwords"]) == 2)
    wait_for(listener, is_up(listener))

    assert script["passwords"] == ["first", "password-1"]
    assert line.channel is not first
    assert first is not None
    assert not first.is_up
    publish(broker, message(53))
    wait_for(listener, lambda: streamed() == [53])


def test_refused_token_is_refreshed_and_tried_again_at_once(
    broker: Broker, car: Vehicle, listener: Listener, script: dict[str, Any]
) -> None:
    allow(broker, "password-1")

    wait_for(listener, is_up(listener))

    assert script["passwords"] == ["first", "password-1"]
    assert VehicleLink.objects.get().extras["password"] == "password-1"


def test_account_that_is_refused_for_good_is_tried_ever_more_seldom(
    broker: Broker, car: Vehicle, listener: Listener, script: dict[str, Any]
) -> None:
    allow(broker, "nobody-knows")

    wait_for(listener, lambda: bool(listener.lines) and next(iter(listener.lines.values())).failures == 2)
    for _ in range(10):
        listener.tick()

    line = next(iter(listener.lines.values()))
    assert len(script["passwords"]) == 2
    assert line.retry_at is not None
    assert line.retry_at > clock.wall() + timedelta(seconds=5)


def test_broker_that_goes_away_is_found_again(car: Vehicle, listener: Listener, script: dict[str, Any]) -> None:
    plan = script["plan"]
    script["plan"] = lambda _account: StreamPlan("localhost", 1, "u", "p", ("t",), clock.wall() + LIFE)
    wait_for(listener, lambda: bool(listener.lines) and next(iter(listener.lines.values())).failures == 1)
    script["plan"] = plan
    next(iter(listener.lines.values())).retry_at = None

    wait_for(listener, is_up(listener))

    assert "refreshed" not in script  # nothing was wrong with the token


def test_maker_in_trouble_keeps_nobody_else_waiting(car: Vehicle, listener: Listener, script: dict[str, Any]) -> None:
    def fail(_account: Account) -> StreamPlan:
        raise UpstreamDown("HTTP 503")

    script["plan"] = fail
    listener.tick()
    line = next(iter(listener.lines.values()))
    assert (line.channel, line.failures) == (None, 1)


@pytest.mark.parametrize("change", ["unlinked", "consent", "switch", "no stream"])
def test_who_may_not_be_listened_to_is_hung_up_on(car: Vehicle, listener: Listener, change: str) -> None:
    wait_for(listener, is_up(listener))
    if change == "unlinked":
        VehicleLink.objects.update(state="needs_relink")
    elif change == "consent":
        revoke_consent(user=car.owner, purpose=Consent.Purpose.DATA_USE, now=clock.now())
    elif change == "switch":
        MakerSwitch.objects.create(maker="scripted", is_on=False)
    else:
        Vehicle.objects.update(capabilities={**car.capabilities, "pushes": []})

    listener.looked_at = None
    assert listener.tick() == 0
    assert listener.lines == {}


def test_account_of_two_owners_is_connected_once_and_told_to_both(
    broker: Broker, bob: User, car: Vehicle, listener: Listener
) -> None:
    link = make.link(bob, maker="scripted", subject_hash=keyed_hash("scripted:account-one"))
    make.ready_car(bob, now=clock.now(), can=CAN, of=link, external_id=CAR, vin=VIN, is_controlling=False)
    wait_for(listener, is_up(listener))

    publish(broker, message(54))
    wait_for(listener, lambda: len(streamed()) == 2)

    assert len(listener.lines) == 1
    assert streamed() == [54, 54]


def test_shards_share_the_accounts_and_keep_their_bound(alice: User, script: dict[str, Any]) -> None:
    for number in range(12):
        link = make.link(alice, maker="scripted", subject_hash=keyed_hash(f"scripted:{number}"))
        make.vehicle(link, now=clock.now(), can=CAN)
    make.consents(alice, now=clock.now())

    shards = [Listener(shard=number, shards=3)._find_accounts() for number in range(3)]

    assert sum(len(shard) for shard in shards) == 12
    assert not set(shards[0]) & set(shards[1])
    assert len(Listener(most_connections=5)._find_accounts()) == 5


@pytest.mark.parametrize("text", ["", "1", "1/1", "2/2", "-1/2", "a/b", "0/0"])
def test_shards_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(CommandError):
        read_shard(text)
    assert read_shard("1/4") == (1, 4)


def test_worker_reads_what_comes_until_it_is_stopped(listener: Listener) -> None:
    stopped = threading.Event()
    worker = threading.Thread(target=listener.work, args=[stopped])
    worker.start()
    stopped.set()
    worker.join(30)
    assert not worker.is_alive()


@pytest.mark.slow
def test_process_ends_when_it_is_told_to(tmp_path: Any) -> None:
    environment = {**os.environ, "VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "listen", "--shard", "0/2"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:  # without tables a round fails, is logged, and the next one comes
        if "trying again" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "listener down" in rest
