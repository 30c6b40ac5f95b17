"""Settings to payment processor, and what must hold before any money moves."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from foundation import clock
from foundation.http import open_session
from rewards.processors.base import PayoutProcessor
from rewards.processors.stripe import TIMEOUT_SECONDS, StripeProcessor

_LIVE_PREFIXES = ("sk_live_", "rk_live_")
_STRIPE_HOST = "api.stripe.com"


def is_configured() -> bool:
    """Return whether this installation can pay owners at all."""
    return bool(settings.STRIPE_API_KEY)


def has_webhook_secret() -> bool:
    """Return whether pushed messages can be verified."""
    return bool(_webhook_secrets())


def open_processor() -> PayoutProcessor:
    """Return the configured processor with a session of its own; raises ImproperlyConfigured where it is unsafe."""
    if not is_configured():
        raise ImproperlyConfigured("STRIPE_API_KEY is not set: nobody can be paid.")
    for danger in dangers():
        raise ImproperlyConfigured(danger)
    return StripeProcessor(
        api_key=settings.STRIPE_API_KEY,
        api_base=settings.STRIPE_API_BASE,
        webhook_secrets=_webhook_secrets(),
        session=open_session(read_seconds=TIMEOUT_SECONDS[1]),
        wall=clock.wall,
    )


def dangers() -> Iterator[str]:
    """Yield why the settings could send real money astray, in sentences that say what to change."""
    base = urlsplit(settings.STRIPE_API_BASE)
    is_live = settings.STRIPE_API_KEY.startswith(_LIVE_PREFIXES)
    if is_live and (base.scheme != "https" or base.hostname != _STRIPE_HOST or base.port not in {None, 443}):
        yield f"STRIPE_API_KEY is a live key, but STRIPE_API_BASE is not https://{_STRIPE_HOST}: change one of them."
    if is_live and settings.CLOCK_ANCHOR_FILE:
        yield "STRIPE_API_KEY is a live key, but CLOCK_ANCHOR_FILE simulates time: real money needs real time."
    if is_configured() and base.scheme != "https" and not _is_loopback(base.hostname or ""):
        yield "STRIPE_API_BASE is plain HTTP beyond this machine: use https."


def _webhook_secrets() -> list[str]:
    # Stripe gives each endpoint its own secret: one for the platform, one for connected accounts, one for v2 events.
    return [secret.strip() for secret in settings.STRIPE_WEBHOOK_SECRET.split(",") if secret.strip()]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
