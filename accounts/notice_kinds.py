"""Every kind of notice: how it reads, where it leads, what one click may do, and how it goes out by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _

from accounts.notice_actions import CHARGE_NOW, OPT_OUT, RELINK
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


KINDS: dict[str, Kind] = {
    "departure_at_risk": Kind(
        _("The car may not be ready in time"),
        NoticeText(
            _("{vehicle} may not be ready by {departure_at}"),
            _(
                "By now we expect {ready_percent} instead of {wanted_percent} when you leave ({departure_at}). If you "
                "need more, let it charge now or leave later."
            ),
        ),
        SAFETY,
        pushes=True,
        is_urgent=True,
        is_locked=True,
        until=("departure_at",),
        actions=(CHARGE_NOW,),
    ),
    "release_failing": Kind(
        _("A pause that we cannot end"),
        NoticeText(
            _("Please check whether {vehicle} is charging"),
            _(
                "We paused it for a while and cannot get its maker to start it again. We keep trying. To be safe, "
                "start charging in the maker's app, or unplug the car and plug it in again."
            ),
        ),
        SAFETY,
        path="/cars/",
        pushes=True,
        is_urgent=True,
        is_locked=True,
    ),
    "not_plugged_in": Kind(
        _("The car is not plugged in"),
        NoticeText(
            _("{vehicle} is not plugged in"),
            _(
                "You leave on {departure_at} and want {wanted_percent} by then. Plug it in when you are home, and it "
                "charges when power is cheap."
            ),
        ),
        SAFETY,
        pushes=True,
        until=("departure_at", "starts_at"),
        variants={
            "event": NoticeText(
                _("{vehicle} is not plugged in for the event of {starts_at}"),
                _("{program} asks for help until {ends_at}. A car that is not plugged in at home earns nothing in it."),
            ),
            "unknown_charge": NoticeText(
                _("{vehicle} is not plugged in"),
                _("You leave on {departure_at}. Plug it in when you are home, and it charges when power is cheap."),
            ),
        },
    ),
    "link_needs_relink": Kind(
        _("The link to your car is lost"),
        NoticeText(
            _("Please link your {maker} account again"),
            _(
                "The automaker no longer lets us read your car, so it cannot take part. It charges as if we were not "
                "there. Linking again takes a minute."
            ),
        ),
        SAFETY,
        path="/cars/",
        pushes=True,
        is_locked=True,
        actions=(RELINK,),
    ),
    "event_announced": Kind(
        _("An event is announced"),
        NoticeText(
            _("The grid asks for help on {starts_at}"),
            _(
                "{program} asks your car to help from {starts_at} to {ends_at}. It pays {reward} for what your car "
                "delivers. Your car takes part by itself and is still ready when you leave; you may leave this one out."
            ),
        ),
        EVENTS,
        path="/events/",
        pushes=True,
        until=("starts_at",),
        actions=(OPT_OUT,),
    ),
    "event_left_alone": Kind(
        _("An event leaves a car alone"),
        NoticeText(
            _("Nothing changes for your car on {starts_at}"),
            _(
                "{program} asks for help from {starts_at} to {ends_at}. Your car was drawn by lot to charge as it "
                "would without the event, so that what the others do can be measured. You are paid like the mean of "
                "the cars that help. There is nothing to do."
            ),
        ),
        EVENTS,
        path="/events/",
        until=("starts_at",),
    ),
    "event_soon": Kind(
        _("An event begins within the hour"),
        NoticeText(
            _("{program} begins soon: {starts_at}"),
            _(
                "Your car helps until {ends_at} and is still ready when you leave. There is nothing to do, but leave "
                "it plugged in."
            ),
        ),
        EVENTS,
        path="/events/",
        emails=False,
        pushes=True,
        until=("starts_at",),
        actions=(OPT_OUT,),
    ),
    "event_changed": Kind(
        _("An event has changed"),
        NoticeText(
            _("The event on {starts_at} has changed"),
            _(
                "{program} now asks for help from {starts_at} to {ends_at}. Your plan follows by itself and your car "
                "is still ready when you leave; you may leave this one out."
            ),
        ),
        EVENTS,
        path="/events/",
        pushes=True,
        until=("ends_at",),
        actions=(OPT_OUT,),
    ),
    "event_cancelled": Kind(
        _("An event is cancelled"),
        NoticeText(
            _("The event on {starts_at} is cancelled"),
            _("{program} no longer needs help from {starts_at} to {ends_at}. Your car charges by its usual plan."),
        ),
        EVENTS,
        path="/events/",
        pushes=True,
    ),
    "event_shortened": Kind(
        _("An event has ended early"),
        NoticeText(
            _("The event of {starts_at} has ended early"),
            _("{program} ended its request at {ends_at}. What your car delivered until then is paid."),
        ),
        EVENTS,
        path="/events/",
    ),
    "program_changed": Kind(
        _("A program's terms change"),
        NoticeText(
            _("The terms of {program} change on {valid_from_at}"),
            _(
                "From then on it pays {reward} for what your car delivers in events. Your car's page shows everything "
                "that changes. You may leave the program at any time; what you have earned stays yours."
            ),
        ),
        CARS,
        path="/cars/",
        is_locked=True,
    ),
    "enrolled": Kind(
        _("A car joined a program"),
        NoticeText(
            _("{vehicle} takes part in {program}"),
            _("We tell you before each event. You may skip any event, or leave the program, at any time."),
        ),
        CARS,
        path="/cars/",
    ),
    "enrollment_waiting": Kind(
        _("A program waits for the utility"),
        NoticeText(
            _("{vehicle} waits to join {program}"),
            _("{utility} first confirms your account. We tell you what it says; until then nothing changes."),
        ),
        CARS,
        path="/cars/",
        emails=False,
    ),
    "enrollment_refused": Kind(
        _("A utility refused a car"),
        NoticeText(
            _("{vehicle} cannot take part in {program}"),
            _(
                "{utility} did not confirm your account and gave this reason: {reason}. Please ask {utility}; you may "
                "join again once it is settled."
            ),
        ),
        CARS,
        path="/cars/",
        is_locked=True,
    ),
    "withdrawn": Kind(
        _("A car left a program"),
        NoticeText(
            _("{vehicle} has left {program}"),
            _("It charges as soon as it is plugged in. What it earned stays yours."),
        ),
        CARS,
        path="/cars/",
    ),
    "car_left": Kind(
        _("A car is no longer linked"),
        NoticeText(
            _("{vehicle} is no longer linked"),
            _(
                "We neither read nor steer it any more; it charges as soon as it is plugged in. If that was not your "
                "doing, link your account again."
            ),
        ),
        CARS,
        path="/cars/",
        pushes=True,
        is_locked=True,
    ),
    "car_found": Kind(
        _("A new car in your account"),
        NoticeText(
            _("{vehicle} can take part too"),
            _(
                "We found it in your {maker} account. Choose it on your cars page if it charges at your home; until "
                "then we leave it alone."
            ),
        ),
        CARS,
        path="/cars/",
    ),
    "settlement_posted": Kind(
        _("You earned something"),
        NoticeText(
            _("You earned {amount}"),
            _(
                "Your car delivered {energy} in the event of {starts_at}. The earnings page shows how it was worked "
                "out."
            ),
        ),
        MONEY,
        path="/earnings/",
    ),
    "payout_sent": Kind(
        _("A payout is on its way"),
        NoticeText(_("{amount} is on its way to your bank"), _("It usually arrives within two working days.")),
        MONEY,
        path="/payouts/",
        pushes=True,
    ),
    "payout_cancelled": Kind(
        _("A payout could not be made"),
        NoticeText(
            _("Your payout of {amount} could not be made"),
            _(
                "The payment processor did not accept it. The money is back in your balance. Please look at your "
                "payout details; we try again on the next payday."
            ),
        ),
        MONEY,
        path="/payouts/",
        pushes=True,
        is_locked=True,
    ),
    "payout_failed": Kind(
        _("Your bank sent a payout back"),
        NoticeText(
            _("Your bank sent {amount} back"),
            _("The money is safe. Please check your bank details; we try again after that."),
        ),
        MONEY,
        path="/payouts/",
        pushes=True,
        is_locked=True,
    ),
    "export_ready": Kind(
        _("A copy of your data is ready"),
        NoticeText(
            _("The copy of your data is ready"),
            _("Fetch it from your privacy page within a day. After that it is forgotten, and you can ask again."),
        ),
        ACCOUNT,
        path="/privacy/",
    ),
    "utility_result": Kind(
        _("A result of an event is there"),
        NoticeText(
            _("{program}: the result of {starts_at} is there"),
            _("The cars together come to {amount}. You may approve it or object until {objection_ends_at}."),
        ),
        DESK,
        path="/desk/",
        is_locked=True,
    ),
    "utility_dispute": Kind(
        _("An objection is resolved"),
        NoticeText(_("Your objection about {starts_at} is resolved"), _("What was found: {resolution}")),
        DESK,
        path="/desk/",
        is_locked=True,
        variants={
            "upheld": NoticeText(
                _("Your objection about {starts_at} is upheld"),
                _("The result was worked out anew and waits for your review. What was found: {resolution}"),
            ),
            "rejected": NoticeText(
                _("Your objection about {starts_at} is rejected"),
                _("The result stands. What was found: {resolution}"),
            ),
        },
    ),
    "utility_invoice": Kind(
        _("An invoice is there"),
        NoticeText(_("Invoice {number}: {amount}"), _("It stands at your desk with its evidence.")),
        DESK,
        path="/desk/",
        is_locked=True,
    ),
}
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
