"""The sandbox's own random keys, made once and kept in its own folder."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def load_or_make_keys(folder: Path) -> dict[str, str]:
    """Return the keys from `folder/keys.json`, making them on the first call."""
    path = folder / "keys.json"
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := MAKE.keys() - keys.keys():
        keys |= {name: MAKE[name]() for name in missing}
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"keys.{os.getpid()}.tmp"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(keys))
        draft.replace(path)
    return keys


def _make_signing_key() -> str:
    """Return a private key in PEM with which the makers sign their tokens."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


MAKE: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "OIDC_PRIVATE_KEY": _make_signing_key,
}
