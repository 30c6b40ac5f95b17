"""What a 2.0b connection is secured by, and what is wrong with it before it is used."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){9}")


@dataclass(frozen=True)
class Credentials:
    """What we show and expect: PEM texts, and the OpenADR fingerprint of the certificate that signs the answers."""

    certificate: str = ""
    private_key: str = field(default="", repr=False)
    authorities: str = ""
    fingerprint: str = ""
    signs_messages: bool = False


def is_safe_address(url: str) -> bool:
    """Say whether certificates and events may travel there: HTTPS, or plain HTTP to this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def expires_at(certificate: str) -> datetime:
    """Return until when the first certificate of a PEM text is valid; raises ValueError for anything else."""
    return x509.load_pem_x509_certificates(certificate.encode())[0].not_valid_after_utc


def faults(credentials: Credentials, *, at: datetime) -> dict[str, str]:
    """Return what is wrong, by field, in words that say what to do; empty where all of it can be used."""
    found: dict[str, str] = {}
    public = _public_of_certificate(credentials, found, at)
    private = _public_of_key(credentials, found)
    if bool(credentials.certificate) != bool(credentials.private_key):
        lacking = "private_key" if credentials.certificate else "certificate"
        found.setdefault(lacking, "A certificate and its key go together: give both or none.")
    elif public and private and public != private:
        found["private_key"] = "This key belongs to another certificate."
    if credentials.signs_messages and not credentials.certificate:
        found["signs_messages"] = "Messages are signed with a certificate: give one, with its key."
    if credentials.authorities:
        try:
            x509.load_pem_x509_certificates(credentials.authorities.encode())
        except ValueError:
            found["authorities"] = "Give PEM certificates: -----BEGIN CERTIFICATE----- ..."
    if credentials.fingerprint and not _FINGERPRINT.fullmatch(credentials.fingerprint):
        found["fingerprint"] = "Give the ten last bytes as OpenADR writes them: 0F:1E:2D:3C:4B:5A:69:78:87:96."
    return found


def _public_of_certificate(credentials: Credentials, found: dict[str, str], at: datetime) -> bytes:
    if not credentials.certificate:
        return b""
    try:
        certificate = x509.load_pem_x509_certificates(credentials.certificate.encode())[0]
    except ValueError:
        found["certificate"] = "Give a PEM certificate: -----BEGIN CERTIFICATE----- ..."
        return b""
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        found["certificate"] = f"This certificate is valid until {certificate.not_valid_after_utc:%Y-%m-%d} only."
        if at < certificate.not_valid_before_utc:
            found["certificate"] = f"This certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}."
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_of_key(credentials: Credentials, found: dict[str, str]) -> bytes:
    if not credentials.private_key:
        return b""
    try:
        key = serialization.load_pem_private_key(credentials.private_key.encode(), password=None)
    except TypeError:
        found["private_key"] = "This key has a password: give it without (openssl pkey -in key.pem)."
        return b""
    except (ValueError, UnsupportedAlgorithm):
        found["private_key"] = "Give a PEM key: -----BEGIN PRIVATE KEY----- ..."
        return b""
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        found["private_key"] = "OpenADR uses RSA or elliptic curve (ECC) keys."
        return b""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
