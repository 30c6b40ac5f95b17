"""What an owner must know so that the car is ready."""

from django.utils.translation import gettext_lazy as _

from accounts.notice_actions import CHARGE_NOW, RELINK
from accounts.notice_kinds.base import SAFETY, Kind, NoticeText

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
}
