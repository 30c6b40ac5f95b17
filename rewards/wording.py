"""What owners read of money, from what is kept: lines, titles, steps of a sum and reasons, in the reader's language."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.money import major_units
from rewards.payforms import MINOR_UNITS, Step

FORMS = {
    "enrollment_bonus": _("Enrolment bonus"),
    "monthly": _("Monthly pay"),
    "per_event": _("Pay per event"),
    "seasonal_capacity": _("Seasonal capacity"),
    "pool": _("Pooled dividend"),
    "season_bonus": _("Season bonus"),
    "charging_rate": _("Pay for charging in the program's hours"),
    "charging_share": _("Monthly pay for charging in the program's hours"),
}
TITLES = {
    "enrollment_bonus": _("Enrolment bonus"),
    "monthly": _("Monthly pay, {month}"),
    "per_event": _("Event of {date}"),
    "seasonal_capacity": _("Seasonal capacity, {month} on"),
    "pool": _("Pooled dividend, {month}"),
    "season_bonus": _("Season bonus, {month} on"),
    "charging_rate": _("Charging in the program's hours, {month}"),
    "charging_share": _("Monthly pay for charging in the program's hours, {month}"),
}
# Title and text of each step of `rewards.payforms`, by its key.
STEPS = {
    "most": (_("At most"), _("The program pays no more than this at once.")),
    "days": (_("Taking part"), _("For {days} days; the bonus comes after {wanted}.")),
    "bonus": (_("The bonus"), _("A fixed amount by the program's terms.")),
    "months_events": (_("The month's events"), _("{asked} asked for this car; it took part in {joined}.")),
    "left_out": (_("Left out"), _("Left out by you: {opted_out}; {allowed} may be.")),
    "too_few": (_("Needed"), _("{joined} of {asked} is less than {wanted} %.")),
    "month": (_("The month pays"), _("A fixed amount by the program's terms.")),
    "least": (_("Delivered"), _("At least {wanted} Wh are needed.")),
    "event": (_("The event pays"), _("A fixed amount by the program's terms.")),
    "no_events": (_("The season's events"), _("There was none for this car.")),
    "season_delivered": (_("Delivered"), _("In {events} events of this season together.")),
    "season_hours": (_("Hours asked for"), _("All events of the season that asked for this car.")),
    "mean_power": (_("Mean power"), "{wh} Wh / 1000 / {hours} h"),
    "season": (
        _("The season pays"),
        _("{kilowatts} kW x {cents} cents per kW, rounded once (half to the even one)."),
    ),
    "seasons_events": (_("The season's events"), _("{asked} asked for this car; it took part in {joined}.")),
    "season_bonus": (_("The season pays"), _("A fixed amount by the program's terms.")),
    "window_energy": (
        _("Charged in the program's hours"),
        _("Of {charged} Wh at home in the month. What no reading tells is not counted."),
    ),
    "window_pays": (
        _("The program's hours pay"),
        _("{wh} Wh / 1000 x {cents} cents per kWh, rounded once (half to the even one)."),
    ),
    "window_share": (_("Share in the program's hours"), _("{inside} of {whole} Wh; at least {wanted} % are needed.")),
    "pool": (_("The pool"), _("What the program shares among all cars that delivered.")),
    "share": (_("Your share"), _("{own} of {whole} Wh delivered by all.")),
    "rounded_down": (_("Rounded down"), _("{pool} cents x {own} / {whole}")),
    "left": (
        _("What was left"),
        _(
            "{cents} cents were left over; they go to the largest remainders, one each. Yours was in place {place} of "
            "{members}."
        ),
    ),
}
UNITS = {"days": _("days")}  # the others are symbols
# What a bank says of a payment that it sent back, by Stripe's failure codes.
BANK_FAILURES = {
    "account_closed": _("Your bank account has been closed."),
    "account_frozen": _("Your bank account is frozen."),
    "bank_account_restricted": _("Your bank account does not take this kind of payment."),
    "bank_ownership_changed": _("Your bank account moved to another bank."),
    "could_not_process": _("Your bank could not process the payment."),
    "declined": _("Your bank declined the payment."),
    "incorrect_account_holder_name": _("The account holder's name is not the one your bank knows."),
    "invalid_account_number": _("Your bank does not know this account number."),
    "invalid_currency": _("Your bank account does not take this currency."),
    "no_account": _("Your bank does not know this account number."),
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}$")


class Titled(Protocol):
    """An earning, as far as its title goes; `title` is what was kept of it, in English."""

    form: str
    period_date: date
    title: str


def earning_title(earning: Titled, *, reader: Reader) -> str:
    """Return the title of an earning, by its form and the period it is for; a form of old days keeps its own."""
    period_date = earning.period_date
    shown = {
        "month": formats.month(period_date, reader=reader),
        "date": formats.full_date(period_date, reader=reader),
    }
    text = TITLES.get(earning.form)
    return str(text).format(**shown) if text else earning.title


def line_title(key: str, label: str, *, reader: Reader) -> str:
    """Return the title of a statement's line, by its transfer's key; `label` is what the ledger sealed, in English."""
    kind = key.partition(":")[0]
    if kind == "payout":
        return gettext("Payout to your bank")
    day = _DAY.search(label)
    if kind == "settlement" and day:
        return gettext("Event of {date}").format(date=formats.full_date(date.fromisoformat(day[0]), reader=reader))
    return label


def approval_text(reason: str, *, currency: str, reader: Reader) -> str:
    """Return why two people look at a payout, from the kept key and amount ("larger_than:50000")."""
    key, _sep, minor = reason.partition(":")
    if not minor.isdecimal():
        return reason  # kept as a sentence, before it was kept as a key
    amount = formats.money(int(minor), currency, reader=reader)
    if key == "larger_than":
        return gettext("It is larger than {amount}.").format(amount=amount)
    return gettext("It is much larger than the usual {amount}.").format(amount=amount)


def failure_text(failure: str) -> str:
    """Return what a payout's kept failure means to its owner; "" where it is nothing that an owner can mend."""
    return str(BANK_FAILURES.get(failure, ""))


def step_words(step: Step, *, currency: str, reader: Reader) -> tuple[str, str, str, str]:
    """Return title, text, value and unit of a step."""
    title, text = STEPS[step.key]
    shown = {name: _number(value, reader) for name, value in step.numbers.items()}
    value, unit = _number(step.value, reader), str(UNITS.get(step.unit, step.unit))
    if step.unit == MINOR_UNITS:
        amount: Decimal = major_units(amount_minor=int(step.value), currency=currency)
        value, unit = formats.number(amount, reader=reader, digits=2, least=2), currency
    return str(title), str(text).format(**shown), value, unit


def _number(value: int | Fraction, reader: Reader) -> str:
    # Six digits that count, as a pocket calculator shows them.
    return formats.number(
        float(f"{float(value):.6g}") if isinstance(value, Fraction) else value, reader=reader, digits=6
    )
