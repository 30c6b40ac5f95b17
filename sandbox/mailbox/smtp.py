"""The SMTP listener: takes every mail on loopback and keeps it."""

import logging
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from sandbox.mailbox.models import MAX_TEXT_CHARACTERS, Message
from sandbox.world import clock

logger = logging.getLogger(__name__)

MAX_MAIL_BYTES = 1_000_000
MAX_RECIPIENTS = 50


class Keeper:
    """What aiosmtpd calls with each mail."""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail; answers 552 where it is for too many people."""
        recipients = [str(address) for address in envelope.rcpt_tos]
        if len(recipients) > MAX_RECIPIENTS:
            return "552 Too many recipients"
        await sync_to_async(_keep_and_close)(str(envelope.mail_from or ""), recipients, bytes(envelope.content))
        return "250 Kept"


def start(port: int, *, host: str = "127.0.0.1") -> Controller:
    """Start the listener in a thread of its own and return it; `.stop()` ends it."""
    controller = Controller(
        Keeper(), hostname=host, port=port, data_size_limit=MAX_MAIL_BYTES, enable_SMTPUTF8=True, ready_timeout=10.0
    )
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # it would log every address
    controller.start()
    logger.info("mailbox listens on %s:%s", host, port)
    return controller


def keep(*, sender: str, recipients: list[str], content: bytes) -> list[Message]:
    """Store the raw mail `content` once a recipient, with its plain and HTML parts cut to a bounded length."""
    mail = message_from_bytes(content, policy=policy.default)
    subject = " ".join(str(mail.get("Subject", "")).split())[:300]
    text, html = _part(mail, "plain"), _part(mail, "html")
    wall, simulated = clock.wall(), clock.now()
    kept = [
        Message.objects.create(
            to=recipient[:254],
            sender=sender[:254],
            subject=subject,
            text=text,
            html=html,
            received_at=wall,
            simulated_at=simulated,
        )
        for recipient in recipients
    ]
    Message.prune()
    return kept


def _keep_and_close(sender: str, recipients: list[str], content: bytes) -> None:
    close_old_connections()
    try:
        keep(sender=sender, recipients=recipients, content=content)
    finally:
        close_old_connections()


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body(preferencelist=(kind,))
    if body is None:
        return ""
    try:
        return str(body.get_content())[:MAX_TEXT_CHARACTERS]
    except (LookupError, ValueError):  # an unknown charset: show what can be shown
        payload = body.get_payload(decode=True)
        return payload.decode("latin-1")[:MAX_TEXT_CHARACTERS] if isinstance(payload, bytes) else ""
