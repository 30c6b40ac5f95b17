"""The stream: each car's changes, published to our own broker, and the keys that open it.

A thread of the one worker does all of it: it lets in who has a valid id_token, drops who has none any more, and
publishes what changed. Without a port in the environment, or without Mosquitto, there is no stream: the log says so.
"""

import atexit
import json
import logging
import ssl
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as mqtt
from django.db import close_old_connections, transaction
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.cars import garage
from sandbox.cars.models import Car
from sandbox.makers.dialects.bmw import telematics
from sandbox.makers.dialects.bmw.broker import PUBLISHER, Broker, BrokerMissing
from sandbox.makers.dialects.bmw.models import StreamFaults, StreamKey, gcid_of
from sandbox.world import clock, config

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
QOS = 1
_stopped = threading.Event()
_lock = threading.Lock()


class Stream:
    """The broker, the publisher's connection to it, and what was published last of each car."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.sent: dict[str, dict[str, Any]] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=PUBLISHER)
        context = ssl.create_default_context(cafile=str(broker.ca_file))
        self.client.tls_set_context(context)
        self.client.username_pw_set(PUBLISHER, broker.publisher_password)
        self.client.reconnect_delay_set(min_delay=1, max_delay=5)
        self.client.connect_async("localhost", broker.port)
        self.client.loop_start()

    def restart_dead_broker(self) -> None:
        """Start the broker again where somebody ended it."""
        if not self.broker.is_running():
            with _lock:
                self.broker.start()

    def let_in(self) -> None:
        """Let in just those with a valid key."""
        keys = StreamKey.valid(clock.wall())
        with _lock:
            self.broker.let_in({gcid_of(key.owner): key.password_hash for key in keys})

    def drop_all(self) -> None:
        """Break every listener's connection; they may come again at once."""
        with _lock:
            self.broker.let_in({})
        self.let_in()

    def publish_changes(self) -> int:
        """Publish what changed of every car whose stream is open, and return of how many."""
        faults = StreamFaults.current()
        if faults.is_silent or not self.client.is_connected():
            return 0
        published = 0
        for key in StreamKey.valid(clock.wall())[:1000]:
            grants = {"grants__client_id": key.client_id, "grants__revoked_at": None, "grants__maker__slug": "bmw"}
            for vin in Car.objects.filter(owner=key.owner, **grants).distinct().values_list("vehicle_id", flat=True):
                published += self._publish(vin, gcid=gcid_of(key.owner), times=1 + faults.sends_twice)
        return published

    def _publish(self, vin: str, *, gcid: str, times: int) -> bool:
        with transaction.atomic():
            car = garage.look_at(vin, now=clock.now())
            state = garage.served_state(car)
            values = telematics.describe(car, state)
            before = self.sent.get(vin, {})
            changed = {name: item for name, item in values.items() if before.get(name) != item}
            if not changed or car.is_api_down:
                return False
            garage.note_served(
                car, state, source="cardata-stream", soc_percent=telematics.soc_percent(values), has_meter=False
            )
        self.sent[vin] = values
        timestamp = write_instant(state.as_of)
        data = {name: {"timestamp": timestamp, "value": value, "unit": unit} for name, (value, unit) in changed.items()}
        for _ in range(times):  # twice: as where an old container was never deleted
            envelope = {"vin": vin, "entityId": str(uuid.uuid4()), "topic": vin, "timestamp": timestamp, "data": data}
            self.client.publish(f"{gcid}/{vin}", json.dumps(envelope), qos=QOS)
        return True


_stream: Stream | None = None


def write_instant(instant: datetime) -> str:
    """Return the instant as CarData writes it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def current() -> Stream | None:
    """Return the stream of this process; None where it is off."""
    return _stream


def start() -> None:
    """Start the broker and the thread, once a process; says so where the stream stays off."""
    global _stream  # noqa: PLW0603 - one broker a process, as with the other listeners
    if not config.BMW_STREAM_PORT:
        logger.info("BMW streams nothing: SANDBOX_BMW_STREAM_PORT is not set")
        return
    broker = Broker(config.VAR_DIR / "bmw-stream", port=config.BMW_STREAM_PORT)
    try:
        broker.start()
    except BrokerMissing as error:
        logger.warning("BMW streams nothing: %s", error)
        return
    except RuntimeError as error:  # the port may be taken for a moment by the broker of a process that just died
        logger.warning("BMW's stream comes later: %s", error)
    _stream = Stream(broker)
    atexit.register(broker.stop)
    threading.Thread(target=_run, args=(_stream,), name="bmw-stream", daemon=True).start()
    logger.info("BMW streams on localhost:%s (MQTT with TLS)", broker.port)


def note_keys() -> None:
    """Have the broker know of a changed key at once, where there is a broker."""
    if _stream is not None:
        _stream.let_in()


def _run(stream: Stream) -> None:
    while not _stopped.wait(TICK_SECONDS):
        try:
            stream.restart_dead_broker()
            stream.let_in()
            stream.publish_changes()
        except Exception:  # the thread must outlive whatever one round meets
            logger.exception("a round of the stream failed")
        finally:
            close_old_connections()
