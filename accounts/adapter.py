"""allauth's hooks: it signs people in, it never links cars."""

import logging
from collections.abc import Iterable
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
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
        _forget_devices_of([request.session])
        super().logout(request)

    def set_password(self, user: Any, password: str) -> None:
        """Keep a new password, which signs out everywhere else: no browser there is told anything any more."""
        super().set_password(user, password)
        here = context.request.session.get(SESSION_DEVICE) if context.request else None
        for device in PushDevice.objects.filter(user=user):
            if str(device.public_id) != here:
                forget_device(device=device)

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


class SessionsAdapter(DefaultUserSessionsAdapter):
    """Ends sessions from afar as completely as signing out there does."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """Sign out those places, and let their browsers be told nothing any more."""
        ended = list(sessions)
        _forget_devices_of([SessionStore(one.session_key) for one in ended])
        super().end_sessions(ended)


def _forget_devices_of(sessions: Iterable[SessionBase]) -> None:
    known = [session.get(SESSION_DEVICE) for session in sessions]
    for device in PushDevice.objects.filter(public_id__in=[one for one in known if one]):
        forget_device(device=device)


class MFAAdapter(DefaultMFAAdapter):
    """Keeps second-factor secrets encrypted at rest; allauth's default keeps them in plain text."""

    def encrypt(self, text: str) -> str:
        """Return the secret encrypted."""
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret in clear; raises InvalidToken under a foreign key."""
        return cipher().decrypt(encrypted_text.encode()).decode()
