"""A plan in sentences for the owner of the car, in the reader's language and the car's local time."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.words import joined
from grid.planner.explain import Cause, Deed, Ending, Span, Told

# One clause of the plan's sentence each; `when` is one span of time or several, "from 1:00 AM to 4:00 AM".
DEEDS = {
    "minimum": _("charges at once {when} up to its minimum of {minimum}"),
    "absorb": _("charges {when} when the grid has power to spare"),
    "cheap": _("charges {when} when power is cheapest"),
    "cheap_and_clean": _("charges {when} when power is cheapest and cleanest"),
    "clean": _("charges {when} when power is cleanest"),
    "deadline": _("charges {when} to be ready in time"),
    "discharge": _("gives power back {when}"),
    "hold": _("holds {when} for the event"),
}
# The clause that ends the sentence; `when` is "at 7:30 AM" or "on Monday at 7:30 AM".
READY = _("ready {when} with {reached}")
HOLDS_THEN = _("has {reached} {when}")
MISSED = {
    "": _("has {reached} of the wanted {wanted} {when}"),
    "unplugged": _("has {reached} of the wanted {wanted} {when} because the car is not plugged in"),
    "maximum": _("has {reached} of the wanted {wanted} {when} because the car may charge to {maximum} only"),
    "too_short": _("has {reached} of the wanted {wanted} {when} because {hours} h at {power} are not enough"),
}
# The same on its own, beside the battery's picture.
SHORTFALLS = {
    "": _("It will have {reached} instead of {wanted}."),
    "unplugged": _("It will have {reached} instead of {wanted}: the car is not plugged in."),
    "maximum": _("It will have {reached} instead of {wanted}: the car may charge to {maximum} only."),
    "too_short": _("It will have {reached} instead of {wanted}: {hours} h at {power} are not enough."),
}
DAY_SHOWN_AFTER = timedelta(hours=20)


class PlanClock:
    """Tells slot boundaries as local times, with the day where it is not clear from the hour."""

    def __init__(self, starts_at: datetime, *, slot_minutes: float, zone: ZoneInfo, reader: Reader) -> None:
        self.starts_at, self.slot, self.zone = starts_at, timedelta(minutes=slot_minutes), zone
        self.reader = reader

    def tell(self, boundary: int) -> str:
        """Return "7:30 AM" or "Monday 7:30 AM"."""
        weekday, at = self._parts(boundary)
        return gettext("{weekday} {time}").format(weekday=weekday, time=at) if weekday else at

    def tell_at(self, boundary: int) -> str:
        """Return "at 7:30 AM" or "on Monday at 7:30 AM"."""
        weekday, at = self._parts(boundary)
        if weekday:
            return gettext("on {weekday} at {time}").format(weekday=weekday, time=at)
        return gettext("at {time}").format(time=at)

    def span(self, span: Span) -> str:
        """Return "from 1:00 AM to 4:00 AM", or how long in all between the two."""
        between = {"begin": self.tell(span.begin), "end": self.tell(span.end)}
        if span.active is None:
            return gettext("from {begin} to {end}").format(**between)
        return gettext("for {length} between {begin} and {end}").format(length=self._length(span.active), **between)

    def _parts(self, boundary: int) -> tuple[str, str]:
        local = (self.starts_at + boundary * self.slot).astimezone(self.zone)
        is_near = boundary * self.slot < DAY_SHOWN_AFTER
        weekday = "" if is_near else format_date(local.date(), "EEEE", locale=self.reader.locale)
        return weekday, formats.time_of_day(time(local.hour, local.minute), reader=self.reader)

    def _length(self, slots: int) -> str:
        # The symbols of units are the same in every language.
        hours, minutes = divmod(round(slots * self.slot / timedelta(minutes=1)), 60)
        return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def say_plan(told: Told, clock: PlanClock, *, minimum_percent: float) -> str:
    """Return one sentence on what the car will do up to its next departure, and why."""
    if told.is_out:
        return gettext("Plans nothing yet: the car is not plugged in at home.")
    if told.ending is None:
        return gettext("No plan could be made ({error}).").format(error=told.error)
    clauses = [_say_deed(deed, clock, minimum_percent) for deed in told.deeds]
    if told.needs_no_charging:
        clauses.append(gettext("needs no charging"))
    sentence = ", ".join([*clauses, _say_ending(told.ending, clock)])
    # A sentence that ends in "a.m." has its full stop.
    return f"{sentence[0].upper()}{sentence[1:]}".removesuffix(".") + "."


def say_shortfall(cause: Cause, *, reached_percent: float, wanted_percent: float, reader: Reader) -> str:
    """Return the sentence on a target that will be missed."""
    reached, wanted = (formats.percent(value, reader=reader) for value in (reached_percent, wanted_percent))
    return str(SHORTFALLS[cause.key]).format(reached=reached, wanted=wanted, **_numbers(cause, reader))


def _say_deed(deed: Deed, clock: PlanClock, minimum_percent: float) -> str:
    when = joined([clock.span(span) for span in deed.spans])
    return str(DEEDS[deed.key]).format(when=when, minimum=formats.percent(minimum_percent, reader=clock.reader))


def _say_ending(ending: Ending, clock: PlanClock) -> str:
    when, reached = clock.tell_at(ending.boundary), formats.percent(ending.percent, reader=clock.reader)
    if ending.wanted_percent is None:
        return str(HOLDS_THEN).format(reached=reached, when=when)
    if not ending.is_missed:
        return str(READY).format(reached=reached, when=when)
    wanted = formats.percent(ending.wanted_percent, reader=clock.reader)
    cause = ending.cause
    return str(MISSED[cause.key]).format(reached=reached, wanted=wanted, when=when, **_numbers(cause, clock.reader))


def _numbers(cause: Cause, reader: Reader) -> dict[str, str]:
    return {
        "maximum": formats.percent(cause.max_percent, reader=reader),
        "hours": formats.number(cause.hours, reader=reader, digits=1),
        "power": formats.power(round(cause.max_charge_kw * 1000), reader=reader),
    }
