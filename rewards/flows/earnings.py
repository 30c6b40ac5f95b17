"""Crediting what programs pay besides their rate per kWh: computed and posted in one transaction, each once."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from foundation.formats import Reader, reader_in
from foundation.refusals import Refusal
from foundation.words import Words
from rewards import ledger, payforms, wording
from rewards.models import Earning, LedgerAccount, PayTerms

REASONS: dict[str, Words | str] = {
    "": "",
    "left_too_early": _("The car left the program before the bonus was due."),
    "not_the_whole_month": _("The car did not take part for the whole month."),
    "too_many_left_out": _("More events were left out than the program allows."),
    "too_few_joined": _("The car took part in too few of the month's events."),
    "too_little_delivered": _("The car delivered too little."),
    "no_events": _("There was no event for this car."),
    "not_the_whole_season": _("The car did not take part for the whole season."),
    "nothing_in_hours": _("The car charged nothing in the program's hours."),
    "nothing_charged": _("Nothing is known to have been charged at home."),
    "too_little_in_hours": _("Too little of it was charged in the program's hours."),
}


class UnableToSaveTerms(Refusal):
    """The terms stay as they were."""


@dataclass(frozen=True)
class Due:
    """One earning to be credited: to whom, what for, and what happened. `about` is a public id."""

    owner_id: int
    owner: str
    about: uuid.UUID
    period_date: date
    title: str
    inputs: Mapping[str, Any]


def save_pay_terms(*, program: str, version: int, values: Mapping[str, Any], forms: object) -> PayTerms | None:
    """Save one version of a program's forms of pay, and return it; None where it has none and never had.

    Raises UnableToSaveTerms for forms that are malformed, and for a change of terms by which something was earned.
    """
    try:
        parsed = payforms.parse_terms(forms)
    except ValueError as error:
        raise UnableToSaveTerms(f"{program} v{version}: {error}.", code="bad_terms") from error
    known = PayTerms.objects.filter(program=program, version=version).first()
    if known is None:
        if not parsed:
            return None
        return PayTerms.objects.create(program=program, version=version, forms=parsed, **values)
    wanted = {**values, "forms": parsed}
    changed = [name for name, value in wanted.items() if getattr(known, name) != value]
    if changed and known.earnings.exists():
        raise UnableToSaveTerms(
            f"Something was earned by {known}, so it stays as it is: add version {version + 1}.", code="terms_in_use"
        )
    for name in changed:
        setattr(known, name, wanted[name])
    known.save()
    return known


@transaction.atomic
def credit(*, terms: PayTerms, form: Mapping[str, Any], due: Sequence[Due], now: datetime) -> list[Earning]:
    """Credit earnings of one form, all or none, each computed from its inputs; returns those that are new."""
    known = set(
        Earning.objects.filter(
            form=form["form"], position=form["position"], about__in=[one.about for one in due]
        ).values_list("about", "period_date")
    )
    fresh = [(one, _earning(terms, form, one, now)) for one in due if (one.about, one.period_date) not in known]
    paid = [(one, earning) for one, earning in fresh if earning.amount_minor]
    owners = ledger.owner_accounts({(one.owner, terms.currency): one.owner_id for one, _ in paid})
    debit = ledger.account(LedgerAccount.Kind.UTILITY_RECEIVABLE, terms.utility, terms.currency)
    transfers = ledger.post_many(
        [
            ledger.Entry(
                key=f"earning:{earning.public_id}",
                debit=debit,
                credit=owners[one.owner, terms.currency],
                amount_minor=earning.amount_minor,
                label=earning.title,
            )
            for one, earning in paid
        ],
        now=now,
    )
    for (_due, earning), transfer in zip(paid, transfers, strict=True):
        earning.transfer = transfer
    return Earning.objects.bulk_create([earning for _, earning in fresh])


def _earning(terms: PayTerms, form: Mapping[str, Any], due: Due, now: datetime) -> Earning:
    result = payforms.compute(form["form"], form, due.inputs)
    return Earning(
        owner_id=due.owner_id,
        terms=terms,
        form=form["form"],
        position=form["position"],
        title=due.title[:160],
        about=due.about,
        period_date=due.period_date,
        currency=terms.currency,
        amount_minor=result.amount_minor,
        reason=result.reason,
        calculation={
            "schema": payforms.SCHEMA,
            "program": {"slug": terms.program, "version": terms.version},
            "terms": dict(form),
            "inputs": dict(due.inputs),
            "result": {"amount_minor": result.amount_minor, "currency": terms.currency, "reason": result.reason},
        },
        created_at=now,
    )


@dataclass(frozen=True)
class ShownStep:
    """One step of the sum as its reader sees it: what is worked out, how, and the result with its unit."""

    title: str
    text: str
    value: str
    unit: str


@dataclass(frozen=True)
class ExplainedEarning:
    """How an earning came about, step by step."""

    title: str
    steps: list[ShownStep]
    form_title: str
    reason_text: str


def explain_earning(earning: Earning, *, reader: Reader | None = None) -> ExplainedEarning:
    """Return how the amount follows from terms and inputs. Everything is read from the calculation it was kept with."""
    reader = reader or reader_in("US")
    kept = earning.calculation
    result = payforms.compute(earning.form, kept["terms"], kept["inputs"])
    steps = (wording.step_words(step, currency=earning.currency, reader=reader) for step in result.steps)
    return ExplainedEarning(
        title=wording.earning_title(earning, reader=reader),
        steps=[ShownStep(*words) for words in steps],
        form_title=str(wording.FORMS[earning.form]),
        reason_text=str(REASONS[earning.reason]),
    )
