"""The broker itself: who comes in, who is dropped, and that it comes up again."""

import socket
import ssl
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.makers.dialects.bmw import broker as brokers
from sandbox.makers.dialects.bmw.broker import Broker, BrokerMissing, hash_password
from tests.throwaway import mosquitto


def comes_in(broker: Broker, name: str, password: str) -> bool:
    """Say whether the broker takes the password."""
    answers: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(ssl.create_default_context(cafile=str(broker.ca_file)))
    client.username_pw_set(name, password)
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.append(not reason.is_failure)
    client.connect("localhost", broker.port)
    for _ in range(200):
        client.loop(0.05)
        if answers:
            break
    client.disconnect()
    return answers == [True]


def test_broker_lets_in_who_is_listed_and_comes_up_again() -> None:
    with mosquitto() as broker:
        assert comes_in(broker, brokers.PUBLISHER, broker.publisher_password)
        assert not comes_in(broker, "frank", "a-token")
        broker.let_in({"frank": hash_password("a-token")})
        assert comes_in(broker, "frank", "a-token")
        assert not comes_in(broker, "frank", "another-token")

        broker.stop()
        assert not broker.is_running()
        broker.start()
        assert not comes_in(broker, "frank", "a-token")
        broker.let_in({"frank": hash_password("a-token")})
        assert comes_in(broker, "frank", "a-token")


def test_broker_proves_itself_by_its_own_authority() -> None:
    with mosquitto() as broker, mosquitto() as other:
        for trusted, is_proven in ((broker, True), (other, False)):
            context = ssl.create_default_context(cafile=str(trusted.ca_file))
            with socket.create_connection(("localhost", broker.port), timeout=5) as raw:
                try:
                    context.wrap_socket(raw, server_hostname="localhost").close()
                except ssl.SSLCertVerificationError:
                    assert not is_proven
                else:
                    assert is_proven


def test_missing_mosquitto_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_kwargs: None)
    with pytest.raises(BrokerMissing, match="apt-get install mosquitto"):
        Broker(tmp_path, port=1).start()
