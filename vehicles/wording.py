"""What an owner is told about a car or link that does not answer, by the message key of the error."""

from django.utils.translation import gettext_lazy as _

from foundation.words import Words

MESSAGES: dict[str, Words] = {
    "maker_failed": _("The automaker did not answer as it should. We keep trying."),
    "link_again": _("The automaker no longer lets us in. Please link your account again."),
    "car_not_shared": _("This car is not shared with us. Link the account again and tick the car on the maker's page."),
    "subscription_inactive": _("The car's connected service is not active. Renew it in the maker's app."),
    "car_gone": _("This car is no longer in your account at the automaker."),
    "car_unreachable": _("The car does not answer right now. It may be parked without reception."),
    "car_asleep": _("The car is asleep. It reports again once it is used or charges."),
    "not_plugged_in": _("The car is not plugged in."),
    "command_refused": _("The automaker or the car refused the command."),
    "key_missing": _(
        "Your car does not know our key yet. Add it on your phone by the link that Tesla shows for our app."
    ),
    "budget_spent": _(
        "We have asked as often as the maker allows for now, and ask again when it does. Releases go out."
    ),
    "maker_busy": _("The automaker asks us to wait before we ask again."),
    "command_pending": _("The command is under way."),
    "command_unknown": _("The automaker did not say whether the command arrived. We look at the car to find out."),
    "maker_down": _("The automaker's servers have trouble. Your link is fine; we try again by ourselves."),
    "maker_off": _("Reading and steering cars of this maker is switched off for the moment."),
    "not_supported": _("This car cannot do that."),
    "link_pending": _("Waiting for you to type the code on the maker's page."),
    "webhook_refused": _("A message in the maker's name was not genuine and was dropped."),
    "no_commands": _(
        "This maker shares readings only. We plan and tell you when to charge; you start and stop the car."
    ),
    "no_discharge": _("This maker offers no way to give energy back. A bidirectional wall box at home can."),
    "v2g_car": _("This car cannot give energy back."),
    "v2g_charger": _("Giving energy back needs a bidirectional wall box at home that serves this car."),
    "v2g_maker": _("The car's maker has not agreed that a wall box takes energy from its battery."),
    "v2g_permission": _("Your home has no agreement with the utility to give energy back."),
    "events_only": _("This maker can only start and stop charging, so we pause the car for events alone."),
    "restart_limit": _("Below a certain charge its maker does not start it again, so we leave it alone there."),
    "charging_scope_missing": _("You did not allow us to steer charging. Link the account again and allow it."),
    "place_scope_missing": _("You did not share the car's place, so we cannot tell whether it is at home."),
}

# What linking again mends: a failed reading, and what a car was not allowed to do.
RELINK_FAILURES = frozenset({"link_again", "car_not_shared"})
RELINK_REFUSALS = frozenset({"charging_scope_missing", "place_scope_missing"})

_RELINK_REASONS: dict[str, Words] = {
    "invalid_grant": _("The permission has ended: it was withdrawn at the maker, or was not used for too long."),
    "login_required": _("The maker wants you to sign in again, for instance after a new password."),
    "consent_required": _("The maker asks for your consent again."),
    "interaction_required": _("The maker asks for your consent again."),
    "revoked_at_maker": _("You withdrew the permission at the maker."),
}


def relink_reason(reason: str) -> str:
    """Return why a link died, for its owner; a reason that is not known reads generally."""
    return str(_RELINK_REASONS.get(reason, _("The maker no longer takes our permission.")))


def message(key: str) -> str:
    """Return the sentence for a message key; an unknown key reads generally."""
    return str(MESSAGES.get(key, MESSAGES["maker_failed"]))
