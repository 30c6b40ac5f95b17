"""Every kind of notice, by its slug."""

from django.utils.translation import gettext_lazy as _

from accounts.notice_kinds import cars, events, money, safety
from accounts.notice_kinds.base import (
    CARS,
    CHANNELS,
    DESK,
    EMAIL,
    GROUPS,
    IN_APP,
    PUSH,
    Kind,
    NoticeText,
)

__all__ = [
    "CHANNELS",
    "DESK",
    "EMAIL",
    "GROUPS",
    "IN_APP",
    "KINDS",
    "PUSH",
    "Kind",
    "NoticeText",
    "kind_of",
    "text_for",
]

KINDS: dict[str, Kind] = {**safety.KINDS, **events.KINDS, **cars.KINDS, **money.KINDS}
# A kind that this version does not know, kept from a newer one.
OTHER = Kind(
    _("Other news"), NoticeText(_("News from ChargeScape"), _("There is something new on your page.")), CARS, path="/"
)


def kind_of(slug: str) -> Kind:
    """Return the kind by its slug; one that is not known reads generally."""
    return KINDS.get(slug, OTHER)


def text_for(slug: str, why: object) -> NoticeText:
    """Return how a notice of this kind reads; `why` chooses among a kind's variants."""
    kind = kind_of(slug)
    return kind.variants.get(str(why), kind.text)
