"""allauth's hooks: it signs people in, it never links cars."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter

from foundation.fields import cipher


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in and sign-up as allauth does them."""


class MFAAdapter(DefaultMFAAdapter):
    """Keeps second-factor secrets encrypted at rest; allauth's default keeps them in plain text."""

    def encrypt(self, text: str) -> str:
        """Return the secret encrypted."""
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret in clear; raises InvalidToken under a foreign key."""
        return cipher().decrypt(encrypted_text.encode()).decode()
