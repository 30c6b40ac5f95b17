"""What owners are told of events."""

from django.utils.translation import gettext_lazy as _

from accounts.notice_actions import OPT_OUT
from accounts.notice_kinds.base import EVENTS, Kind, NoticeText

KINDS: dict[str, Kind] = {
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
    "event_gave_way": Kind(
        _("Another event has precedence"),
        NoticeText(
            _("{program} no longer asks your car on {starts_at}"),
            _(
                "Both {program} and {other} ask for help between {starts_at} and {ends_at}, and your car serves one of "
                "them at a time. {other} has precedence, so {program} pays nothing for these hours. There is nothing "
                "to do."
            ),
        ),
        EVENTS,
        path="/events/",
        until=("starts_at",),
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
}
