"""What one click from a notice does, and what it asks before."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from foundation.words import Words


@dataclass(frozen=True)
class Action:
    """What one click from a notice does; `needs` is the parameter that says to what."""

    label: Words
    question: Words
    done: Words
    needs: str = ""


OPT_OUT, CHARGE_NOW, RELINK, STOP_EMAIL, STOP_DIGEST = "opt_out", "charge_now", "relink", "stop_email", "stop_digest"
ACTIONS: dict[str, Action] = {
    OPT_OUT: Action(
        _("Leave this event out"),
        _("Your cars take no part in this event and earn nothing in it. They charge by their usual plan."),
        _("Left out. Your cars charge by their usual plan."),
        needs="event",
    ),
    CHARGE_NOW: Action(
        _("Charge now"),
        _("The car charges at once until you leave, whatever the plan says. It takes no part in events meanwhile."),
        _("The car charges as soon as its maker passes our word on."),
        needs="vehicle_id",
    ),
    RELINK: Action(
        _("Link again"),
        _("You sign in at your automaker and let us read your car again. That takes a minute."),
        _("Your account is linked again."),
        needs="maker_slug",
    ),
    STOP_EMAIL: Action(
        _("Stop these e-mails"),
        _("We send no more e-mails of this kind. You still find them among your notices."),
        _("Done. We send no more e-mails of this kind."),
    ),
    STOP_DIGEST: Action(
        _("Stop the daily e-mail"),
        _("We send no daily e-mail any more, and nothing of what stands in it by e-mail. You find it in your notices."),
        _("Done. We send no daily e-mail any more."),
    ),
}
