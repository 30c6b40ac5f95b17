"""What a car can and cannot do, and why, in plain words for its owner. Pure: from its capabilities alone."""

from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import formats
from vehicles import wording
from vehicles.automakers.base import Capabilities, HoldEnds

HOLDS = {
    HoldEnds.TIMED: _("We can pause its charging; the car goes on by itself at a time it was given."),
    HoldEnds.SCHEDULE: _("We can pause its charging; a schedule in the car fills it in time, whatever becomes of us."),
    HoldEnds.START_STOP: _("We can pause its charging in events, and start it again."),
}


@dataclass(frozen=True)
class Ability:
    """One sentence; `key` is stable for programs, `needs_relink` says that linking again would mend it."""

    key: str
    text: str
    is_possible: bool
    needs_relink: bool = False


def abilities(can: Capabilities) -> list[Ability]:
    """Return what the car can do, then what it cannot; every refusal of its maker or owner is among the latter."""
    return [*_possible(can), *(_impossible(key) for key in _refusals(can))]


def _possible(can: Capabilities) -> list[Ability]:
    found = [("read", gettext("We can read its charge and whether it is plugged in."))]
    if can.pushes:
        found.append(("push", gettext("It tells us by itself when something changes, so we seldom have to ask.")))
    if can.can_hold:
        found.append(("hold", str(HOLDS[HoldEnds(can.hold_ends)])))
    if can.set_limit_percent:
        found.append(("set_limit", gettext("We can set how full it charges.")))
    if can.can_discharge:
        found.append(
            (
                "discharge",
                gettext("It can give back up to {power}, if you allow it.").format(power=_power(can.max_discharge_w)),
            )
        )
    if can.is_metered:
        found.append(("meter", gettext("Its energy is metered, so earnings rest on measured values.")))
    return [Ability(key, text, is_possible=True) for key, text in found]


def _power(watts: int) -> str:
    # Kilowatts are written alike in both countries; only the language decides.
    return formats.power(watts, reader=formats.reader_in("US"))


def _refusals(can: Capabilities) -> list[str]:
    """Return the maker's own refusals, with what follows from the capabilities where it did not say so."""
    keys = list(dict.fromkeys(can.refusals))
    if not can.can_hold and not {"no_commands", "charging_scope_missing"} & set(keys):
        keys.append("no_commands")
    if can.hold_ends == HoldEnds.START_STOP and "events_only" not in keys:
        keys.append("events_only")
    if not can.can_discharge and not {"no_discharge", "charging_scope_missing"} & set(keys):
        keys.append("no_discharge")
    if can.min_restart_soc_percent:
        keys.append("restart_limit")
    return keys


def _impossible(key: str) -> Ability:
    return Ability(key, wording.message(key), is_possible=False, needs_relink=key in wording.RELINK_REFUSALS)
