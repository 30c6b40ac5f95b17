"""Which makers can be called from here, and the one adapter that a process has for each."""

from collections.abc import Mapping
from functools import partial

from django.conf import settings

from foundation import clock
from foundation.http import mount_door, open_session
from vehicles.automakers.base import Automaker, Tools
from vehicles.automakers.errors import NotSupported
from vehicles.automakers.registry import AUTOMAKERS
from vehicles.models import MakerSwitch

READ_SECONDS = 10.0  # a maker that takes longer is in trouble, and others wait

_adapters: dict[tuple[str, tuple[tuple[str, str], ...]], Automaker] = {}


def offered_makers() -> list[str]:
    """Return the slugs of makers that owners can link here: known, configured and switched on."""
    off = set(MakerSwitch.objects.filter(is_on=False).values_list("maker", flat=True))
    return [slug for slug in AUTOMAKERS if settings.AUTOMAKERS.get(slug, {}).get("client_id") and slug not in off]


def adapter(maker: str) -> Automaker:
    """Return the maker's adapter, one a process; raises NotSupported for a maker that is unknown or not configured."""
    credentials: Mapping[str, str] = settings.AUTOMAKERS.get(maker, {})
    if maker not in AUTOMAKERS or not credentials.get("client_id"):
        raise NotSupported(f"maker {maker!r}")
    key = (maker, tuple(sorted(credentials.items())))
    if key not in _adapters:
        _adapters[key] = AUTOMAKERS[maker](
            credentials,
            Tools(
                partial(open_session, read_seconds=READ_SECONDS), partial(mount_door, read_seconds=READ_SECONDS), clock
            ),
        )
    return _adapters[key]
