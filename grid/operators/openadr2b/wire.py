"""One exchange with an OpenADR 2.0b server: our message in openleadr's words, its answer bounded, judged and signed.

openleadr brings the words (templates), the Alliance's schema and the signatures. The exchange itself is ours, for
its client takes a failing server for a silent one, reads answers of any length and lets a document define entities.
"""

import asyncio
import logging
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import aiohttp
from lxml import etree
from openleadr import messaging, utils
from openleadr.errors import FingerprintMismatch
from signxml.exceptions import SignXMLException

from grid.operators.base import OperatorBusy, OperatorRefused, OperatorUnreachable, OperatorUnreadable
from grid.operators.openadr2b.certificates import Credentials, is_safe_address

logging.getLogger("openleadr").setLevel(logging.ERROR)  # it tells whole messages, and we tell what matters ourselves

MOST_BYTES = 8_000_000
TOTAL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
HOSTILE = (b"<!DOCTYPE", b"<!ENTITY")
_one_signature_at_a_time = threading.Lock()  # openleadr remembers the signatures it saw in a plain set
OK = 200

# One parser a call: no entity is resolved, no network asked, no document larger than libxml2 deems sane.
_PARSING: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Return what the connection is judged by; raises OperatorRefused for certificates that cannot be used."""
    context = ssl.create_default_context(cadata=credentials.authorities or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if credentials.certificate:
        # OpenSSL reads keys from files alone: this one lives as long as the call, for our eyes only.
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "ven.pem"
            place.touch(mode=0o600)
            place.write_text(f"{credentials.certificate}\n{credentials.private_key}\n")
            context.load_cert_chain(place)
    return context


class Exchange:
    """A way to one server; close it when done. `address` is the server's, up to and with `/OpenADR2/Simple/2.0b`."""

    def __init__(self, *, address: str, credentials: Credentials) -> None:
        if not is_safe_address(address):
            raise OperatorRefused("the server's address is not HTTPS")
        self.address = address.rstrip("/")
        self.credentials = credentials
        try:
            context = tls_context(credentials) if self.address.startswith("https") else None
        except (ssl.SSLError, ValueError) as error:
            raise OperatorRefused("our certificate, its key or the authorities cannot be used") from error
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context or True),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
            headers={"Content-Type": "application/xml"},
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Give the connection back."""
        await self._session.close()

    async def ask(self, service: str, kind: str, **payload: Any) -> etree._Element | None:
        """Send one message, and return the message that answers it, None for an empty answer; raises OperatorError."""
        body = await self._post(service, self._write(kind, payload))
        if not body.strip():
            return None
        return await asyncio.to_thread(read_message, body, fingerprint=self.credentials.fingerprint)

    def _write(self, kind: str, payload: Mapping[str, Any]) -> str:
        signed = self.credentials if self.credentials.signs_messages else Credentials()
        try:
            return str(
                messaging.create_message(
                    kind,
                    cert=signed.certificate.encode() or None,
                    key=signed.private_key.encode() or None,
                    **_written(payload),
                )
            )
        except (SignXMLException, UnboundLocalError) as error:  # the second is openleadr's way to refuse a key
            raise OperatorRefused("our certificate and its key cannot sign messages") from error

    async def _post(self, service: str, body: str) -> bytes:
        started = time.monotonic()
        try:
            async with self._session.post(
                f"{self.address}/{service}", data=body.encode(), allow_redirects=False
            ) as reply:
                _judge_status(reply)
                return await _read_bounded(reply)
        except TimeoutError as error:
            raise OperatorUnreachable(f"no whole answer within {time.monotonic() - started:.0f} s") from error
        except aiohttp.ClientSSLError as error:
            raise OperatorRefused(f"the secure connection failed ({type(error).__name__})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OperatorUnreachable(f"it cannot be reached ({type(error).__name__})") from error


def _judge_status(reply: aiohttp.ClientResponse) -> None:
    if reply.status == OK:
        return
    if reply.status in {429, 503}:
        wait = reply.headers.get("Retry-After", "")
        raise OperatorBusy(f"HTTP {reply.status}", retry_after_seconds=float(wait) if wait.isdecimal() else None)
    if reply.status in {401, 403}:
        raise OperatorRefused(f"HTTP {reply.status}")
    raise (OperatorUnreachable if reply.status >= 500 else OperatorUnreadable)(f"HTTP {reply.status}")


async def _read_bounded(reply: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in reply.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > MOST_BYTES:
            raise OperatorUnreadable(f"more than {MOST_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _written(value: Any) -> Any:
    """Return the payload with each text fit for XML: openleadr's templates write texts as they are."""
    if isinstance(value, str):
        return escape("".join(letter for letter in value if letter.isprintable()), {'"': "&quot;"})
    if isinstance(value, Mapping):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value


def read_message(body: bytes, *, fingerprint: str = "") -> etree._Element:
    """Return the one message in a 2.0b payload, judged by the Alliance's schema; raises OperatorError.

    A document type is refused whatever it holds: none belongs here, and entities grow without bound. Where a
    fingerprint is expected, an answer that is not signed by that certificate, or is not fresh, is refused.
    """
    if any(word in body[:4096].upper() for word in HOSTILE):
        raise OperatorUnreadable("an answer defines its own entities")
    try:
        tree = etree.fromstring(body, etree.XMLParser(**_PARSING))
    except etree.XMLSyntaxError as error:
        raise OperatorUnreadable("an answer is no XML") from error
    if tree.getroottree().docinfo.doctype or not messaging.XML_SCHEMA.validate(tree):
        raise OperatorUnreadable("an answer is not as the Alliance's schema says")
    if fingerprint:
        _judge_signature(tree, fingerprint)
    messages = tree.findall("{*}oadrSignedObject/*")
    if len(messages) != 1:
        raise OperatorUnreadable("an answer holds no message, or several")
    return messages[0]


def _judge_signature(tree: etree._Element, fingerprint: str) -> None:
    # What was signed must be what is read: no second message may hide where the signature's own parts stand.
    objects = tree.xpath("//*[local-name()='oadrSignedObject']")
    names = [value for key, value in objects[0].attrib.items() if etree.QName(key).localname == "Id"]
    same_name = "//*[@*[local-name()='Id' or local-name()='ID' or local-name()='id'] = $name]"
    named = tree.xpath(same_name, name="".join(names))
    references = tree.xpath("//*[local-name()='Reference']/@URI")
    if len(objects) != 1 or len(names) != 1 or len(named) != 1 or f"#{names[0]}" not in references:
        raise OperatorRefused("an answer is signed in part only")
    try:
        with _one_signature_at_a_time:
            messaging.validate_xml_signature(tree, cert_fingerprint=fingerprint)
    except (SignXMLException, FingerprintMismatch, ValueError, AttributeError, TypeError) as error:
        raise OperatorRefused("an answer is not signed by the certificate that was agreed") from error


def fingerprint_of(certificate: str) -> str:
    """Return the fingerprint of a PEM certificate as OpenADR writes it; raises ValueError for anything else."""
    return str(utils.certificate_fingerprint(certificate))
