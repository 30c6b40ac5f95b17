"""Ids as Stripe makes them: a prefix that names the kind, and chance."""

import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return a new id such as `tr_1Qm3…` (prefix and 24 random letters and digits)."""
    return f"{prefix}_1S{''.join(secrets.choice(_LETTERS) for _ in range(22))}"
