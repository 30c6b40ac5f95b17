"""What owners are told of their cars, their programs and their account."""

from django.utils.translation import gettext_lazy as _

from accounts.notice_kinds.base import ACCOUNT, CARS, Kind, NoticeText

KINDS: dict[str, Kind] = {
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
    "export_ready": Kind(
        _("A copy of your data is ready"),
        NoticeText(
            _("The copy of your data is ready"),
            _("Fetch it from your privacy page within a day. After that it is forgotten, and you can ask again."),
        ),
        ACCOUNT,
        path="/privacy/",
    ),
}
