"""The door to a 2.0b server: what is let in, whose signature counts, and where certificates may travel."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from openleadr.messaging import create_message
from openleadr.service import VTNService

from grid.operators.base import OperatorError, OperatorRefused, OperatorUnreadable
from grid.operators.openadr2b.certificates import Credentials, expires_at, faults, is_safe_address
from grid.operators.openadr2b.messages import kind_of, read_distribution, text_at
from grid.operators.openadr2b.ven import Ven
from grid.operators.openadr2b.wire import Exchange, fingerprint_of, read_message
from tests.grid.openadr2b_vtn import VEN_ID, Vtn, word_event

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Party:
    """A certificate with its key, as PEM."""

    certificate: str
    key: str
    name: x509.Name
    private: ec.EllipticCurvePrivateKey


def issue(name: str, by: Party | None = None) -> Party:
    """Return a certificate for a name on this machine: an authority's own, or one that it issued."""
    private, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={name}")
    issuer = by or Party("", "", subject, private)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=by is None,
                crl_sign=by is None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer.private, hashes.SHA256())
    )
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Party(certificate.public_bytes(Encoding.PEM).decode(), key, subject, private)


AUTHORITY = issue("test authority")
SERVER, OURS, STRANGER = issue("utility", AUTHORITY), issue("fleet", AUTHORITY), issue("fleet")
SECURED = Credentials(
    certificate=OURS.certificate,
    private_key=OURS.key,
    authorities=AUTHORITY.certificate,
    fingerprint=fingerprint_of(SERVER.certificate),
    signs_messages=True,
)


def message(**payload: Any) -> bytes:
    event = word_event("e-1", starts_at=NOW)
    values = {"vtn_id": "utility", "request_id": "r-1", "events": [event]} | payload
    return str(create_message("oadrDistributeEvent", **values)).encode()


def signed(by: Party) -> bytes:
    return message(cert=by.certificate.encode(), key=by.key.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"<a>",
        b"<oadrPayload xmlns='http://openadr.org/oadr-2.0b/2012/07'/>",
        b"<!DOCTYPE a><a/>",
        b"<!doctype lolz [<!entity a 'b'><!entity c '&a;&a;&a;'>]><a>&c;</a>",
        message().replace(b"<?xml version", b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><?xml version"),
        message().replace(b'"utf-8"?>', b'"utf-8"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'),
        message()
        .decode()
        .replace("utf-8", "utf-16")
        .replace("?>", "?><!DOCTYPE a [<!ENTITY b 'c'>]>")
        .encode("utf-16"),
        message().replace(b"<ei:eventID>", b"<ei:eventId>").replace(b"</ei:eventID>", b"</ei:eventId>"),
        message().replace(b"optIn", b"x") + b"<!-- more -->trailing",
    ],
)
def test_what_is_no_message_of_the_schema_is_refused(body: bytes) -> None:
    with pytest.raises(OperatorUnreadable):
        read_message(body)


def test_one_event_told_twice_differently_is_refused() -> None:
    events = [word_event("e-1", starts_at=NOW), word_event("e-1", starts_at=NOW + timedelta(hours=1))]
    with pytest.raises(OperatorUnreadable, match="told twice"):
        read_distribution(read_message(message(events=events)))


def test_texts_go_back_letter_by_letter_and_never_as_markup() -> None:
    name = "<&\"'>]]>"
    told = message().replace(b">e-1<", b">&lt;&amp;\"'&gt;]]&gt;<")
    (record,) = read_distribution(read_message(told)).records
    assert record["id"] == name
    exchange = Exchange.__new__(Exchange)
    exchange.credentials = Credentials()
    answer = {"event_id": name, "response_code": 200, "request_id": "r", "modification_number": 0, "opt_type": "optIn"}
    response = {"response_code": 200, "response_description": "<b>", "request_id": "r"}
    written = exchange._write("oadrCreatedEvent", {"ven_id": "v", "response": response, "event_responses": [answer]})
    assert (
        text_at(read_message(written.encode()), "eiCreatedEvent/eventResponses/eventResponse/qualifiedEventID/eventID")
        == name
    )


def test_signature_of_the_agreed_certificate_alone_counts() -> None:
    agreed = SECURED.fingerprint
    assert kind_of(read_message(signed(SERVER), fingerprint=agreed)) == "oadrDistributeEvent"
    once = signed(SERVER)
    read_message(once, fingerprint=agreed)
    for forged in (
        once,  # heard before
        message(),
        signed(STRANGER),
        signed(SERVER).replace(b"-20.0", b"-90.0"),
        signed(SERVER).replace(b'oadrSignedObject"', b'other"', 1),
    ):
        with pytest.raises(OperatorRefused, match="signed"):
            read_message(forged, fingerprint=agreed)


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://vtn.test/OpenADR2/Simple/2.0b", True),
        ("http://localhost:8080/x", True),
        ("http://127.0.0.1/x", True),
        ("http://vtn.test/x", False),
        ("http://localhost.vtn.test/x", False),
        ("ftp://localhost/x", False),
        ("https://", False),
        ("", False),
    ],
)
def test_certificates_travel_by_https_alone(url: str, is_safe: bool) -> None:  # noqa: FBT001
    assert is_safe_address(url) == is_safe


def test_certificates_that_cannot_be_used_are_told_by_field() -> None:
    assert faults(SECURED, at=NOW) == {}
    assert faults(Credentials(), at=NOW) == {}
    with_password = OURS.private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    ).decode()
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for change, field, word in (
        ({"certificate": "x"}, "certificate", "PEM"),
        ({"private_key": "x"}, "private_key", "PEM"),
        ({"private_key": with_password}, "private_key", "password"),
        ({"private_key": edwards.decode()}, "private_key", "RSA"),
        ({"private_key": SERVER.key}, "private_key", "another certificate"),
        ({"private_key": ""}, "private_key", "go together"),
        ({"certificate": ""}, "certificate", "go together"),
        ({"authorities": "x"}, "authorities", "PEM"),
        ({"fingerprint": "AA:BB"}, "fingerprint", "ten last"),
    ):
        assert word in faults(replace(SECURED, **change), at=NOW)[field], change  # type: ignore[arg-type]
    assert "valid until" in faults(SECURED, at=NOW + timedelta(days=40))["certificate"]
    assert "not valid before" in faults(SECURED, at=NOW - timedelta(days=40))["certificate"]
    assert expires_at(OURS.certificate) > NOW
    assert "PRIVATE KEY" not in repr(SECURED)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vtn]:
    folder: Path = tmp_path_factory.mktemp("vtn")
    for name, text in (("cert", SERVER.certificate), ("key", SERVER.key), ("ca", AUTHORITY.certificate)):
        (folder / name).write_text(text)
    cert, key, ca = (str(folder / name) for name in ("cert", "key", "ca"))

    async def know(ven_id: str) -> dict[str, str]:
        return {"ven_id": ven_id, "registration_id": "r", "fingerprint": fingerprint_of(OURS.certificate)}

    vtn = Vtn(cert=cert, key=key, http_cert=cert, http_key=key, http_ca_file=ca, ven_lookup=know)
    yield vtn
    vtn.stop()
    del VTNService.ven_lookup
    VTNService._create_message = staticmethod(create_message)


async def converse(vtn: Vtn, credentials: Credentials) -> str:
    exchange = Exchange(address=vtn.url, credentials=credentials)
    try:
        ven = Ven(exchange, ven_name="fleet", ven_id="", registration_id="")
        registration = await ven.register()
        return f"{registration.ven_id} {kind_of(await ven.poll())}"
    finally:
        await exchange.close()


def test_both_sides_know_each_other_by_certificate_and_signature(secured: Vtn) -> None:
    secured.ask(word_event("e-1", starts_at=NOW + timedelta(days=1)))
    assert asyncio.run(converse(secured, SECURED)) == f"{VEN_ID} oadrDistributeEvent"


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": "", "private_key": "", "signs_messages": False},  # the server wants one of its authority's
        {"certificate": STRANGER.certificate, "private_key": STRANGER.key},
        {"authorities": STRANGER.certificate},  # we want the server's to be of ours
        {"authorities": ""},
        {"fingerprint": fingerprint_of(STRANGER.certificate)},
        {"signs_messages": False},
    ],
)
def test_who_is_not_known_is_not_spoken_with(secured: Vtn, change: dict[str, Any]) -> None:
    with pytest.raises(OperatorError):
        asyncio.run(converse(secured, replace(SECURED, **change)))


def test_address_that_is_not_safe_and_bad_certificates_open_no_connection() -> None:
    with pytest.raises(OperatorRefused, match="HTTPS"):
        Exchange(address="http://vtn.test/x", credentials=SECURED)
    with pytest.raises(OperatorRefused, match="cannot be used"):
        Exchange(address="https://vtn.test/x", credentials=replace(SECURED, private_key=SERVER.key))
    with pytest.raises(OperatorRefused, match="cannot be used"):
        Exchange(address="https://vtn.test/x", credentials=Credentials(authorities="x"))


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    from grid.operators.openadr2b.wire import tls_context

    context = tls_context(SECURED)
    assert (context.minimum_version, context.verify_mode, context.check_hostname) == (
        ssl.TLSVersion.TLSv1_2,
        ssl.CERT_REQUIRED,
        True,
    )
