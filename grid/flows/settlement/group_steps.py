"""A group's result and one car's share of it as steps that the car's owner can follow with a pocket calculator."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.money import major_units
from grid.flows.settlement.steps import Step
from grid.models import GroupSettlement, Settlement

GROUP_METHODS = {
    "sum-of-cars": _("what each car delivered, added up with its sign"),
    "ten-of-ten": _("compared with what the same cars took on the last ten such days"),
    "five-of-ten": _("compared with what the same cars took on the five busiest of the last ten such days"),
    "randomised-control-group": _("compared with cars that were drawn by lot and left alone"),
    "metered-output": _("counted by the cars' meters alone"),
}


class GroupSteps:
    """The steps from the group's sum to one car's credit, for one reader."""

    def __init__(self, settlement: Settlement, *, reader: Reader) -> None:
        assert settlement.group is not None
        self.settlement, self.group, self.reader = settlement, settlement.group, reader
        self.share: Mapping[str, Any] = settlement.share or {}

    def all(self) -> list[Step]:
        """Return every step in order."""
        if self.group.delivered_wh is None:
            text = gettext(
                "The method cannot tell what all cars delivered. No number is made up; a person looks at it."
            )
            return [Step(gettext("All cars together"), text, gettext("not known"), ""), self._earned()]
        return [self._together(), self._owed(), self._weight(), self._credited(), self._earned()]

    def _together(self) -> Step:
        group, whole = self.group, self._whole
        text = gettext(
            "One car alone is mostly chance, so all cars of the event are counted together: {method} ({name}, version "
            "{version}). {measured} cars are known; for {estimated} the mean stands in; {controls} were left alone to "
            "measure by. Without the event {baseline} Wh, in truth {net} Wh. The sum may be off by about {error} Wh."
        ).format(
            method=GROUP_METHODS.get(group.method, group.method),
            name=group.method,
            version=group.method_version,
            measured=whole(group.measured_cars),
            estimated=whole(group.estimated_cars),
            controls=whole(group.control_cars),
            baseline=whole(group.baseline_wh),
            net=whole(group.net_wh),
            error="?" if group.error_wh is None else whole(round(group.error_wh)),
        )
        return Step(gettext("All cars together"), text, whole(group.delivered_wh), "Wh")

    def _owed(self) -> Step:
        text = gettext(
            "{energy} Wh / 1000 x {rate} {currency} per kWh, rounded once to whole cents; below 0 nothing is owed to "
            "you and nothing by you."
        ).format(
            energy=self._whole(self.group.delivered_wh),
            rate=self._exact(Decimal(self.group.rate_micros_per_kwh) / 1_000_000),
            currency=self.group.currency,
        )
        return Step(
            gettext("The utility owes for all"), text, self._money(self.group.amount_minor), self.group.currency
        )

    def _weight(self) -> Step:
        role = self.share.get("role")
        if role == "c":
            text = gettext("Your car was drawn by lot to be left alone. It weighs as much as the mean of the others.")
        elif role in {"a", "x"}:
            text = gettext("Your car was not at its plug in the event, or was left out after an objection: no share.")
        elif self.share.get("rule") == "equal":
            text = gettext("Each car that took part has the same share.")
        else:
            text = gettext(
                "Shares go by what each car could shift, as known before anybody was told of the event: yours "
                "{own} Wh. If nobody could shift anything, all weigh alike."
            ).format(own=self._whole(self.share.get("committed_wh", 0)))
        text += " " + gettext("All weights together: {weights}.").format(weights=self._whole(self.share["weights"]))
        return Step(gettext("Your car's weight"), text, self._whole(self.share["weight"]), "")

    def _credited(self) -> Step:
        told = self.share["credited_wh"]
        return Step(gettext("Your share of the energy"), self._divided(told, self._whole(told["whole"]), "Wh"),
                    self._whole(self.settlement.credited_wh), "Wh")  # fmt: skip

    def _earned(self) -> Step:
        settlement, told = self.settlement, self.share["amount_minor"]
        text = self._divided(told, self._money(told["whole"]), settlement.currency)
        return Step(gettext("You earn"), text, self._money(settlement.amount_minor), settlement.currency)

    def _divided(self, told: Mapping[str, int], whole: str, unit: str) -> str:
        return gettext(
            "{whole} {unit} x {weight} / {weights}, rounded down to the last digit. What that leaves over all cars, "
            "{left} times the last digit, goes one each to the largest remainders; yours has place {place}."
        ).format(
            whole=whole,
            unit=unit,
            weight=self._whole(self.share["weight"]),
            weights=self._whole(self.share["weights"]),
            left=self._whole(told["left"]),
            place=self._whole(told["place"] + 1),
        )

    def _money(self, minor: int) -> str:
        amount = major_units(amount_minor=minor, currency=self.settlement.currency)
        return formats.number(amount, reader=self.reader, digits=2, least=2)

    def _whole(self, value: int | None) -> str:
        return formats.number(value or 0, reader=self.reader, digits=0)

    def _exact(self, value: Decimal) -> str:
        return formats.number(float(value), reader=self.reader, digits=6)


def why_pending(settlement: Settlement, *, until: str) -> str:
    """Return why a credit is not in the balance yet, in the reader's language; "" where it is, or has no group.

    `until` is when the time to object ends, as the reader sees it.
    """
    group = settlement.group
    if group is None or settlement.posted_at is not None:
        return ""
    texts = {
        GroupSettlement.Review.OPEN: _("Pending until {until}: so long the utility may object to the group's result."),
        GroupSettlement.Review.DISPUTED: _("Pending: the utility objects to the group's result. People look at it."),
        GroupSettlement.Review.REPLACED: _("Replaced by a later result before it was paid."),
    }
    text = texts.get(GroupSettlement.Review(group.review))
    return "" if text is None else str(text).format(until=until)
