"""allauth's hooks: it signs people in, it never links cars."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import get_language, gettext

from accounts.flows.notice_settings import SESSION_DEVICE, forget_device
from accounts.models import PushDevice
from foundation.fields import cipher

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in and sign-up as allauth does them, except where a mail server is away."""

    def new_user(self, request: HttpRequest) -> Any:
        """Make the user of a sign-up; the language in which they signed up is the one we write to them in."""
        user = super().new_user(request)
        user.language = get_language() or ""
        return user

    def logout(self, request: HttpRequest) -> None:
        """Sign out, and let this browser be told nothing any more: whoever uses it next shall not read along."""
        known = request.session.get(SESSION_DEVICE)
        device = PushDevice.objects.filter(public_id=str(known)).first() if known else None
        if device is not None:
            forget_device(device=device)
        super().logout(request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a code or a security notice; where the mail server is away, say so instead of failing the page.

        The page that follows offers to send again. The address is never logged.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except (SMTPException, OSError) as error:
            logger.warning("e-mail %s not sent: %s", template_prefix, type(error).__name__)
            self._say_not_sent(self.request)

    def _say_not_sent(self, request: HttpRequest | None) -> None:
        if request is not None and hasattr(request, "_messages"):
            messages.error(
                request, gettext("We could not send you an e-mail just now. Please try again in a few minutes.")
            )


class MFAAdapter(DefaultMFAAdapter):
    """Keeps second-factor secrets encrypted at rest; allauth's default keeps them in plain text."""

    def encrypt(self, text: str) -> str:
        """Return the secret encrypted."""
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret in clear; raises InvalidToken under a foreign key."""
        return cipher().decrypt(encrypted_text.encode()).decode()
