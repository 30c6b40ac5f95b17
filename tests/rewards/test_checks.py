"""An installation that could send real money astray does not start."""

import pytest
from django.core.checks import ERROR, WARNING, run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from rewards import gateway

STRIPE = "https://api.stripe.com"
LIVE, TEST = "sk_live_abc", "sk_test_abc"


def configure(settings: Settings, *, key: str, base: str, anchor: str = "") -> None:
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, settings.CLOCK_ANCHOR_FILE = key, base, anchor
    settings.STRIPE_WEBHOOK_SECRET = "whsec_abc"


def findings(level: int) -> list[str]:
    return [found.msg for found in run_checks() if found.level == level and (found.id or "").startswith("rewards.")]


@pytest.mark.parametrize(
    ("key", "base", "anchor"),
    [
        pytest.param(LIVE, "http://localhost:8100/stripe", "", id="live key at a stand-in"),
        pytest.param("rk_live_abc", "https://stripe.example.com", "", id="restricted live key elsewhere"),
        pytest.param(LIVE, "https://api.stripe.com.example.com", "", id="live key at a look-alike"),
        pytest.param(LIVE, "http://api.stripe.com", "", id="live key in the clear"),
        pytest.param(LIVE, "https://api.stripe.com:8443", "", id="live key at another port"),
        pytest.param(LIVE, STRIPE, "/tmp/clock.json", id="live key in simulated time"),  # noqa: S108 - never opened
        pytest.param(TEST, "http://stripe.example.com", "", id="plain http beyond this machine"),
        pytest.param(TEST, "http://10.0.0.7:8100/stripe", "", id="plain http in the local network"),
        pytest.param(TEST, "http://localhost.example.com", "", id="plain http at a look-alike of this machine"),
    ],
)
def test_dangerous_settings_are_refused(settings: Settings, key: str, base: str, anchor: str) -> None:
    configure(settings, key=key, base=base, anchor=anchor)
    assert len(findings(ERROR)) >= 1
    with pytest.raises(ImproperlyConfigured):
        gateway.open_processor()


@pytest.mark.parametrize(
    ("key", "base", "anchor"),
    [
        pytest.param(LIVE, STRIPE, "", id="production"),
        pytest.param(LIVE, STRIPE + "/", "", id="production with a slash"),
        pytest.param(TEST, STRIPE, "", id="Stripe's own test mode"),
        pytest.param(TEST, "http://localhost:8100/stripe", "clock.json", id="the demo"),
        pytest.param(TEST, "http://127.0.0.1:8100/stripe", "", id="loopback by address"),
        pytest.param(TEST, "http://[::1]:8100/stripe", "", id="loopback by IPv6"),
    ],
)
def test_sound_settings_pass(settings: Settings, key: str, base: str, anchor: str) -> None:
    configure(settings, key=key, base=base, anchor=anchor)
    assert findings(ERROR) == findings(WARNING) == []
    assert gateway.open_processor().slug == "stripe"


def test_missing_webhook_secret_is_a_warning(settings: Settings) -> None:
    configure(settings, key=TEST, base=STRIPE)
    settings.STRIPE_WEBHOOK_SECRET = " , "
    assert len(findings(WARNING)) == 1


def test_installation_without_payments_starts(settings: Settings) -> None:
    configure(settings, key="", base=STRIPE)
    assert findings(ERROR) == findings(WARNING) == []
    with pytest.raises(ImproperlyConfigured):
        gateway.open_processor()
