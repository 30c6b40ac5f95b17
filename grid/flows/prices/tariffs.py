"""Tariffs are saved version by version: what an earlier one said stays, so that past nights can be computed again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction

from foundation.refusals import Refusal
from grid.feeds.base import FeedError
from grid.gateway import open_tariffs
from grid.models import Tariff, Utility
from grid.rules.tariffs import parse_rates
from grid.rules.urdb import RecordRefused, UrdbTariff, read_record


class UnableToSaveTariff(Refusal):
    """The tariff stays as it was."""


def save_tariff(*, utility: Utility, slug: str, version: int, values: Mapping[str, Any]) -> Tariff:
    """Save one version of a tariff and return the tariff, which shows its newest version.

    `values` are fields of the model. A version with a higher number than the one kept takes its place, from its own
    first day on; the same number corrects that version. Raises UnableToSaveTariff for rules that make no sense, for
    a tariff of another utility, and for an older version that the tariff has left behind.
    """
    with transaction.atomic():
        known = Tariff.objects.select_for_update().filter(slug=slug).first()
        if known is None:
            tariff = Tariff(slug=slug, utility=utility, version=version)
        elif known.utility_id != utility.pk:
            raise UnableToSaveTariff(f"Tariff {slug} belongs to {known.utility}.", code="other_utility")
        elif version < known.version:
            raise UnableToSaveTariff(f"Tariff {slug} has version {known.version} already.", code="older_version")
        else:
            tariff = known
            if version > known.version:
                tariff.other_versions = left_behind(known, valid_from_date=values.get("valid_from_date"))
                tariff.version = version
        for name, value in values.items():
            setattr(tariff, name, value)
        check_rules(tariff)
        tariff.save()
    return tariff


def left_behind(tariff: Tariff, *, valid_from_date: date | None) -> list[dict[str, Any]]:
    """Return the versions that stay behind when one that holds from a day on takes the place of the newest.

    Raises UnableToSaveTariff for a new version that does not say from when it holds.
    """
    if valid_from_date is None:
        raise UnableToSaveTariff("A new version says from which day it holds.", code="no_first_day")
    ends = tariff.valid_until_date
    ends = valid_from_date if ends is None else min(ends, valid_from_date)
    if tariff.valid_from_date is not None and tariff.valid_from_date >= ends:
        raise UnableToSaveTariff(
            f"Version {tariff.version} holds from {tariff.valid_from_date}: a newer one begins after that.",
            code="overlap",
        )
    return [*tariff.other_versions, {**tariff.rules, "valid_until_date": ends.isoformat()}]


def check_rules(tariff: Tariff) -> None:
    """Raise UnableToSaveTariff where the tariff's rules make no sense."""
    try:
        parse_rates(tariff.rules, zone=tariff.utility.zone)
    except (ValueError, TypeError, OverflowError) as error:
        raise UnableToSaveTariff(f"Tariff {tariff.slug}: {error}", code="bad_rules") from error
    if tariff.kind == Tariff.Kind.MARKET and tariff.price_feed is None:
        raise UnableToSaveTariff(f"Tariff {tariff.slug}: a market price needs its feed.", code="no_feed")


@dataclass(frozen=True)
class LoadedTariff:
    """A tariff that was loaded, and what a person should know of it."""

    tariff: Tariff
    warnings: tuple[str, ...]


def fetch_tariff(*, label: str, utility: Utility, slug: str = "") -> LoadedTariff:
    """Load the record of a label from OpenEI's own address; raises UnableToSaveTariff."""
    try:
        record = open_tariffs().by_label(label)
    except FeedError as error:
        raise UnableToSaveTariff(f"OpenEI gave nothing: {error} ({error.code}).", code="no_answer") from error
    return load_tariff(record=record, utility=utility, slug=slug)


def load_tariff(*, record: object, utility: Utility, slug: str = "") -> LoadedTariff:
    """Load one record of OpenEI's Utility Rate Database as a tariff of the utility.

    Its slug is made of the record's label. Where `slug` names a tariff that is there already, a record that holds
    from a later day becomes its next version, one from the same day corrects the newest. Raises UnableToSaveTariff
    for records that cannot be priced faithfully.
    """
    if utility.currency != "USD":
        raise UnableToSaveTariff("The database knows utilities in the United States alone.", code="other_currency")
    try:
        read = read_record(record)
    except RecordRefused as error:
        raise UnableToSaveTariff(str(error), code="record_refused") from error
    slug = slug or f"urdb-{read.label.lower()}"
    values = {
        "name": read.name,
        "kind": Tariff.Kind.TIME_OF_USE,
        "periods": read.periods,
        "valid_from_date": read.valid_from_date,
        "valid_until_date": read.valid_until_date,
        "fixed_charge": read.fixed_charge,
        "source": read.source,
    }
    tariff = save_tariff(utility=utility, slug=slug, version=_version(slug, read), values=values)
    return LoadedTariff(tariff, read.warnings)


def _version(slug: str, read: UrdbTariff) -> int:
    known = Tariff.objects.filter(slug=slug).first()
    if known is None:
        return 1
    if known.valid_from_date == read.valid_from_date:
        return known.version
    if read.valid_from_date and (known.valid_from_date is None or known.valid_from_date < read.valid_from_date):
        return known.version + 1
    raise UnableToSaveTariff(f"Tariff {slug} has a version that holds from a later day already.", code="older_version")
