"""System checks: an installation that could send real money astray does not start."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from rewards import gateway


def check_processor(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """Report unsafe payment settings as errors, and webhooks that nobody could verify as a warning."""
    found: list[CheckMessage] = [Error(danger, id="rewards.E001") for danger in gateway.dangers()]
    if gateway.is_configured() and not gateway.has_webhook_secret():
        found.append(
            CheckWarning(
                "STRIPE_WEBHOOK_SECRET is not set: payouts are followed by polling alone, which takes longer.",
                id="rewards.W001",
            )
        )
    return found
