"""What an owner is told about a car or link that does not answer, by the message key of the error."""

MESSAGES: dict[str, str] = {
    "maker_failed": "The automaker did not answer as it should. We keep trying.",
    "link_again": "The automaker no longer lets us in. Please link your account again.",
    "car_not_shared": "This car is not shared with us. Link the account again and tick the car on the maker's page.",
    "subscription_inactive": "The car's connected service is not active. Renew it in the maker's app.",
    "car_gone": "This car is no longer in your account at the automaker.",
    "car_unreachable": "The car does not answer right now. It may be parked without reception.",
    "car_asleep": "The car is asleep. It reports again once it is used or charges.",
    "not_plugged_in": "The car is not plugged in.",
    "command_refused": "The automaker or the car refused the command.",
    "budget_spent": "We have asked as often today as the maker allows. We look again tomorrow; releases still go out.",
    "maker_busy": "The automaker asks us to wait before we ask again.",
    "command_pending": "The command is under way.",
    "command_unknown": "The automaker did not say whether the command arrived. We look at the car to find out.",
    "maker_down": "The automaker's servers have trouble. Your link is fine; we try again by ourselves.",
    "maker_off": "Reading and steering cars of this maker is switched off for the moment.",
    "not_supported": "This car cannot do that.",
    "link_pending": "Waiting for you to type the code on the maker's page.",
    "webhook_refused": "A message in the maker's name was not genuine and was dropped.",
    "no_commands": "This maker shares readings only. We plan and tell you when to charge; you start and stop the car.",
    "no_discharge": "This maker offers no way to give energy back. A bidirectional wall box at home can.",
    "events_only": "This maker can only start and stop charging, so we pause the car for events alone.",
    "charging_scope_missing": "You did not allow us to steer charging. Link the account again and allow it.",
    "place_scope_missing": "You did not share the car's place, so we cannot tell whether it is at home.",
}


def message(key: str) -> str:
    """Return the sentence for a message key; an unknown key reads generally."""
    return MESSAGES.get(key, MESSAGES["maker_failed"])
