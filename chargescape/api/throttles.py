"""Rate limits: so many calls in a window of the clock, counted in the cache, told in the answer's headers."""

import logging
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

from django.core.cache import cache
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from foundation import clock

logger = logging.getLogger(__name__)
PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Allowance:
    """What a caller has left of one limit, and in how many seconds it is whole again."""

    scope: str
    limit: int
    window_seconds: int
    left: int
    whole_in_seconds: int


def parse_rate(rate: str) -> tuple[int, int]:
    """Return (calls, seconds) of a rate such as 600/min; raises ValueError for another spelling."""
    count, _, period = rate.partition("/")
    if period[:1] not in PERIODS:
        raise ValueError(f"A rate is written like 600/min, not {rate!r}.")
    return int(count), PERIODS[period[0]]


class CallsPerUser(BaseThrottle):
    """All calls of one user."""

    scope: ClassVar[str] = "user"

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the call; False where it is one too many. Without a cache nobody is kept out."""
        del view
        caller = self.caller(request)
        if caller is None:
            return True
        limit, window = parse_rate(str(api_settings.DEFAULT_THROTTLE_RATES[self.scope]))
        at = clock.wall().timestamp()
        number = int(at // window)
        whole_in = ceil((number + 1) * window - at)
        count = _count(f"rate:{self.scope}:{caller}:{number}", window)
        allowance = Allowance(self.scope, limit, window, max(0, limit - count), whole_in)
        request._request.__dict__.setdefault("allowances", []).append(allowance)  # noqa: SLF001 - for the headers
        self.whole_in_seconds = whole_in
        return count <= limit

    def wait(self) -> float:
        """Return the seconds until the caller may try again."""
        return self.whole_in_seconds

    def caller(self, request: Request) -> str | None:
        """Return who is counted; None for whoever is not."""
        return str(request.user.pk) if request.user.is_authenticated else None


class WritesPerUser(CallsPerUser):
    """One user's calls that may change something."""

    scope = "writes"

    def caller(self, request: Request) -> str | None:
        return None if request.method in SAFE_METHODS else super().caller(request)


class CallsPerAddress(CallsPerUser):
    """Calls of whoever is not signed in, by network address."""

    scope = "anonymous"

    def caller(self, request: Request) -> str | None:
        return None if request.user.is_authenticated else str(self.get_ident(request))


def _count(key: str, window_seconds: int) -> int:
    try:
        cache.add(key, 0, timeout=2 * window_seconds)
        return int(cache.incr(key))
    except Exception:
        logger.warning("the cache counts no calls", exc_info=True)
        return 0


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers that tell the limits: structured fields as in the IETF's draft on RateLimit headers."""
    allowances: list[Allowance] = getattr(request, "allowances", [])
    if not allowances:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{one.scope}";q={one.limit};w={one.window_seconds}' for one in allowances),
        "RateLimit": ", ".join(f'"{one.scope}";r={one.left};t={one.whole_in_seconds}' for one in allowances),
    }
