"""Encrypted text at rest, and keyed hashes to find encrypted values again."""

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """Return the cipher over `settings.FIELD_ENCRYPTION_KEYS`, newest key first; older keys only decrypt."""
    return _cipher(tuple(settings.FIELD_ENCRYPTION_KEYS))


def keyed_hash(value: str) -> str:
    """Return a keyed SHA-256 of `value` (64 hex digits): equal for equal values, useless without the key."""
    return hmac.new(settings.FIELD_HASH_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()


if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField  # generic for the type checker alone


class EncryptedTextField(_Text):
    """Text that the database holds encrypted (Fernet). A value no key opens raises InvalidToken; "" stays "".

    It cannot be searched: keep a `keyed_hash` beside it where rows must be found by it.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        if text is None or text == "":
            return text
        return cipher().encrypt(str(text).encode()).decode()

    def from_db_value(self, value: str | None, *_context: object) -> str | None:
        if value is None or value == "":
            return value
        return cipher().decrypt(value.encode()).decode()

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise TypeError(f"An encrypted field cannot be searched by {lookup_name!r}: use its keyed hash.")
        return super().get_lookup(lookup_name)
