"""A settlement as steps that its owner can follow with a pocket calculator, in their language."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from foundation.formats import Reader
from foundation.money import major_units
from grid.metering.baselines import charging_window, hours, method_of
from grid.metering.cases import Case, Stay
from grid.metering.energy import MEASURED, Energy
from grid.metering.settlement import Result

ASKED = {
    "hold": _("The utility asked to hold charging from {begin} to {end}."),
    "discharge": _("The utility asked to hold charging and give energy back from {begin} to {end}."),
    "absorb": _("The utility asked to charge more from {begin} to {end}."),
}


@dataclass(frozen=True)
class Step:
    """One step of the sum: what is worked out, how, and the result with its unit."""

    title: str
    text: str
    value: str
    unit: str


class Steps:
    """The steps from readings to the amount, for one reader in one time zone."""

    def __init__(self, case: Case, result: Result, *, zone: ZoneInfo, reader: Reader) -> None:
        self.case, self.result, self.zone, self.reader = case, result, zone, reader

    def all(self) -> list[Step]:
        """Return every step in order."""
        return [*self.of_the_car(), *self._credited(), self._amount()]

    def of_the_car(self) -> list[Step]:
        """Return the steps from the readings to what the car itself delivered."""
        flows = (self._flow(flow) for flow in self.result.flows)
        left_alone = method_of(self.case.method, self.case.method_version).stays(self.case)
        stays = (self._stay(stay) for stay in left_alone)
        return [self._event(), *stays, self._baseline(), *flows, self._delivered()]

    def _event(self) -> Step:
        event = self.case.event
        text = str(ASKED[self.case.kind]).format(begin=self._when(event.starts_at), end=self._when(event.ends_at))
        return Step(gettext("The event"), text, self._exact(hours(event.ends_at - event.starts_at)), "h")

    def _stay(self, stay: Stay) -> Step:
        """Return what the car would have done in one stay."""
        car, window = self.case.car, charging_window(stay=stay, car=self.case.car)
        text = gettext(
            "Plugged in at {begin} with {soc} %. Left alone, the car charges at {power} W until its own limit of "
            "{limit} %: ({limit} - {soc}) / 100 x {capacity} Wh / {efficiency} (efficiency). That lasts until {end}."
        )
        if stay.unplugged_at is not None:
            text = gettext(
                "Plugged in at {begin} with {soc} %. Left alone, the car charges at {power} W until its own limit of "
                "{limit} %: ({limit} - {soc}) / 100 x {capacity} Wh / {efficiency} (efficiency), or until it is "
                "unplugged at {unplugged}. That lasts until {end}."
            )
        text = text.format(
            begin=self._when(stay.plugged_in_at),
            soc=self._exact(stay.soc_percent),
            power=self._whole(car.power_w),
            limit=self._exact(stay.limit_percent),
            capacity=self._whole(car.capacity_wh),
            efficiency=self._exact(car.charge_efficiency),
            unplugged=self._when(stay.unplugged_at) if stay.unplugged_at else "",
            end=self._when(window.ends_at),
        )
        return Step(gettext("Left alone"), text, self._exact(hours(window.ends_at - window.starts_at)), "h")

    def _baseline(self) -> Step:
        inside = " + ".join(
            gettext("{power} W x {hours} h ({begin} to {end})").format(
                power=self._whole(segment.power_w),
                hours=self._exact(hours(segment.window.ends_at - segment.window.starts_at)),
                begin=self._clock(segment.window.starts_at),
                end=self._clock(segment.window.ends_at),
            )
            for segment in self.result.segments
        )
        text = gettext("None of this lies inside the event.")
        if inside:
            text = gettext("Of this, inside the event: {sum}.").format(sum=inside)
        return Step(gettext("Without the event"), text, self._whole(self.result.baseline_wh), "Wh")

    def _flow(self, flow: Energy) -> Step:
        """Return what the car really did in one stretch."""
        title = gettext("What it really did")
        span = {"begin": self._when(flow.window.starts_at), "end": self._when(flow.window.ends_at)}
        if flow.net_wh is None:
            text = gettext("From {begin} to {end}: no readings on both sides.").format(**span)
            return Step(title, text, gettext("not known"), "")
        edges = {name: (self._exact(start), self._exact(end)) for name, start, end in flow.edges}
        if flow.grade == MEASURED:
            (taken_0, taken_1), (given_0, given_1) = edges["imported_wh"], edges["exported_wh"]
            text = gettext(
                "From {begin} to {end} the meter of energy taken went from {taken_0} to {taken_1} Wh, that of energy "
                "given back from {given_0} to {given_1} Wh. Taken less given back:"
            ).format(taken_0=taken_0, taken_1=taken_1, given_0=given_0, given_1=given_1, **span)
        else:
            soc_0, soc_1 = edges["soc_percent"]
            text = gettext(
                "From {begin} to {end} the battery went from {soc_0} % to {soc_1} %. The gain, never below 0, / 100 x "
                "{capacity} Wh / {efficiency} (efficiency):"
            ).format(
                soc_0=soc_0,
                soc_1=soc_1,
                capacity=self._whole(self.case.car.capacity_wh),
                efficiency=self._exact(self.case.car.charge_efficiency),
                **span,
            )
        return Step(title, text, self._exact(flow.net_wh), "Wh")

    def _delivered(self) -> Step:
        title, result = gettext("Delivered"), self.result
        if result.net_wh is None or result.delivered_wh is None:
            text = gettext("What is not known is not paid, and not counted as nothing.")
            return Step(title, text, gettext("not known"), "")
        text = gettext("{baseline} Wh without the event less {net} Wh (rounded to whole Wh).")
        if self.case.kind == "absorb":
            text = gettext("{net} Wh (rounded to whole Wh) less {baseline} Wh without the event.")
        text = text.format(net=self._whole(result.net_wh), baseline=self._whole(result.baseline_wh))
        return Step(title, text, self._whole(result.delivered_wh), "Wh")

    def _credited(self) -> Iterator[Step]:
        if (self.result.delivered_wh or 0) < 0:
            yield Step(gettext("Credited"), gettext("Never less than nothing: the event costs you nothing."), "0", "Wh")

    def _amount(self) -> Step:
        currency = self.case.currency
        text = gettext(
            "{energy} Wh / 1000 x {rate} {currency} per kWh, rounded to whole cents (half a cent to the even one)."
        ).format(
            energy=self._whole(self.result.credited_wh),
            rate=self._exact(Decimal(self.case.rate_micros_per_kwh) / 1_000_000),
            currency=currency,
        )
        amount = major_units(amount_minor=self.result.amount_minor, currency=currency)
        return Step(gettext("You earn"), text, formats.number(amount, reader=self.reader, digits=2, least=2), currency)

    def _when(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return gettext("{day}, {time} {zone}").format(
            day=formats.day(local.date(), reader=self.reader), time=self._clock(at), zone=f"{local:%Z}"
        )

    def _clock(self, at: datetime) -> str:
        local = at.astimezone(self.zone).time().replace(microsecond=0)
        return formats.time_of_day(local, reader=self.reader)

    def _whole(self, value: int) -> str:
        return formats.number(value, reader=self.reader, digits=0)

    def _exact(self, value: Any) -> str:
        # Enough digits that the owner's pocket calculator arrives at the same whole Wh.
        return formats.number(float(value), reader=self.reader, digits=6)
