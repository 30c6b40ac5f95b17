"""One MQTT connection over TLS, in a thread of its own; whether and when to connect again is its keeper's choice."""

import logging
import ssl
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from vehicles.automakers.push import StreamPlan

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 60
LOOP_SECONDS = 1.0
CLOSE_SECONDS = 3.0
MOST_PAYLOAD_BYTES = 256 * 1024
REFUSED = frozenset({"Bad user name or password", "Not authorized", "Bad authentication method"})


class Channel:
    """Connects once, subscribes, hands messages to `receive`, and says when it is lost. It never connects again."""

    def __init__(self, plan: StreamPlan, receive: Callable[[str, bytes], None]) -> None:
        self.plan = plan
        self.receive = receive
        self.is_up = False
        self.is_lost = False
        self.is_refused = False
        self.trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stream")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.connect_timeout = CONNECT_SECONDS
        self._client.username_pw_set(plan.username, plan.password)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def open(self) -> None:
        """Connect, without waiting for it."""
        self._thread.start()

    def close(self) -> None:
        """Hang up and wait a moment for the thread to end."""
        self._stopping.set()
        self._client.disconnect()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)
        self.is_up = False

    def _run(self) -> None:
        try:
            self._client.tls_set(ca_certs=self.plan.ca_file or None)
            self._client.connect(self.plan.host, self.plan.port, keepalive=KEEPALIVE_SECONDS)
            code = mqtt.MQTT_ERR_SUCCESS
            while code == mqtt.MQTT_ERR_SUCCESS and not self._stopping.is_set():
                code = self._client.loop(timeout=LOOP_SECONDS)
            self.trouble = self.trouble or (mqtt.error_string(code) if code else "")
        except (OSError, ssl.SSLError, ValueError) as error:
            self.trouble = type(error).__name__
        finally:
            self.is_up, self.is_lost = False, not self._stopping.is_set()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.is_refused, self.trouble = str(reason) in REFUSED, str(reason)
            return
        client.subscribe([(topic, 1) for topic in self.plan.topics])
        self.is_up = True

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) <= MOST_PAYLOAD_BYTES:
            self.receive(message.topic, bytes(message.payload))
