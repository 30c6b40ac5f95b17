"""An authority of the sandbox's own and the broker's certificate from it, made once and kept in a folder."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFE = timedelta(days=3650)
HOSTS: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
USAGES = ("digital_signature", "key_encipherment", "key_cert_sign", "crl_sign")
OTHER_USAGES = ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")


def make_certificates(folder: Path) -> None:
    """Write `ca.pem`, `broker.pem` and `broker.key` into the folder, unless they are there."""
    if (folder / "broker.key").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, broker_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("ChargeScape sandbox authority")
    ca = _certificate(authority, authority_key, issuer=authority, issuer_key=authority_key, is_authority=True)
    broker = _certificate(
        _name("localhost"), broker_key, issuer=authority, issuer_key=authority_key, is_authority=False
    )
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "broker.pem").write_bytes(broker.public_bytes(serialization.Encoding.PEM))
    draft = folder / "broker.key.tmp"
    draft.touch(mode=0o600)
    draft.write_bytes(
        broker_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    draft.replace(folder / "broker.key")  # last: its presence says that all three are there


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    wanted = USAGES[2:] if is_authority else USAGES[:2]
    usage = {name: name in wanted for name in (*USAGES, *OTHER_USAGES)}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(HOSTS), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
