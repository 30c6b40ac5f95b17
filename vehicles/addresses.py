"""Where makers send the browser back to."""

from django.conf import settings
from django.urls import reverse

from vehicles.automakers.registry import AUTOMAKERS


def callback_url(maker: str) -> str:
    """Return our address behind a maker's sign-in; makers that are not known share one that leads nowhere."""
    slug = maker if maker in AUTOMAKERS else "unknown"
    return str(settings.PUBLIC_URL) + reverse("link_callback", args=[slug])
