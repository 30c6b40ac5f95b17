"""Words that wait for a reader: what `gettext_lazy` returns, and lists as people say them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as Words  # what type checkers know of it
else:
    Words = Promise

__all__ = ["Words", "joined"]


def joined(parts: Sequence[str]) -> str:
    """Return parts as one reads them aloud: "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return gettext("{first} and {last}").format(first=", ".join(parts[:-1]), last=parts[-1])
