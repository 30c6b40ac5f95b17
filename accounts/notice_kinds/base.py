"""What a kind of notice is: how it reads, where it leads, what one click may do, and how it goes out by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _

from foundation.words import Words

IN_APP, EMAIL, PUSH = "in_app", "email", "push"
CHANNELS = (IN_APP, EMAIL, PUSH)

SAFETY, EVENTS, CARS, MONEY, DESK = "safety", "events", "cars", "money", "desk"
ACCOUNT = "account"
GROUPS: dict[str, Words] = {
    SAFETY: _("Ready when you leave"),
    EVENTS: _("Events"),
    CARS: _("Cars and programs"),
    MONEY: _("Money"),
    ACCOUNT: _("Your account"),
    DESK: _("Your utility's desk"),
}


@dataclass(frozen=True)
class NoticeText:
    """How a notice reads. `{name}` stands for a parameter.

    Parameters that end in `_at` are ISO instants, `_percent` percentages; `amount_minor` comes with `currency` and is
    `{amount}`, `reward_micros` with `currency` is `{reward}`, `energy_wh` is `{energy}`.
    """

    title: Words
    body: Words


@dataclass(frozen=True)
class Kind:
    """One kind of notice."""

    name: Words  # as the settings page calls it
    text: NoticeText
    group: str
    path: str = "/tonight/"
    emails: bool = True  # unless the owner says else
    pushes: bool = False  # likewise
    is_urgent: bool = False  # passes quiet hours, and is in no digest
    is_locked: bool = False  # always shown in the app: leaving it out could cost a night's charge, money or rights
    until: tuple[str, ...] = ()  # parameters: after the first one's instant that is there it is no news any more
    actions: tuple[str, ...] = ()
    variants: Mapping[str, NoticeText] = field(default_factory=dict)  # another text by the parameter `why`

    @property
    def defaults(self) -> dict[str, bool]:
        """Whether each channel is on unless the owner says else."""
        return {IN_APP: True, EMAIL: self.emails, PUSH: self.pushes}
