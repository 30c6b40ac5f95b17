"""Keys of an embedded installation: made once at random, kept beside its database, readable by its user alone.

An installation on several machines sets the same names in its environment instead.
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def load_or_make_keys(folder: Path) -> dict[str, str]:
    """Return the installation's keys from `folder/keys.json`, making those that are missing.

    A folder of an earlier version lacks the keys that came since; those it has are never changed.
    """
    path = folder / "keys.json"
    keys = _read(path)
    return keys if keys.keys() >= _MAKERS.keys() else _add_missing(path)


def _read(path: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return keys


def _add_missing(path: Path) -> dict[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "keys.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # processes that start together agree on one set
        keys = _read(path)
        keys |= {name: make() for name, make in _MAKERS.items() if name not in keys}
        draft = path.parent / f"keys.{os.getpid()}.tmp"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(keys, indent=1))
        draft.replace(path)
    return keys


def _make_rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _make_vapid_key() -> str:
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "FIELD_ENCRYPTION_KEYS": lambda: Fernet.generate_key().decode(),
    "FIELD_HASH_KEY": lambda: secrets.token_urlsafe(32),
    "HEADLESS_JWT_PRIVATE_KEY": _make_rsa_key,
    "VAPID_PRIVATE_KEY": _make_vapid_key,
}
