"""How a car, or a group of cars, fares in an event, in OpenADR 3's words for operating states."""

from collections.abc import Iterable

from grid.models import EventParticipation, GridEvent

SIGNIFICANT_W = 200  # less is a charger's own consumption
State = EventParticipation.State
OUT_OF_REACH = {"needs_relink"}  # why a car cannot be told anything


def state_of(part: EventParticipation, event: GridEvent, power_w: float | None) -> str:
    """Return a car's operating state; "" where nobody knows it. `power_w` is what it takes, None = not known.

    An owner's no is a fact whatever is known of the power: a car of which nothing is known counts as idle then. So is
    that it serves another event, which has precedence: the platform opted it out. One that was left alone to measure
    by, or cannot help, follows no directive.
    """
    is_running = power_w is not None and abs(power_w) > SIGNIFICANT_W
    if part.state == State.OPTED_OUT or part.yields_to_id is not None:
        return "RUNNING_OPTED_OUT" if is_running else "IDLE_OPTED_OUT"
    if part.state != State.IN:
        return "ERROR" if part.state == State.UNABLE and part.reason in OUT_OF_REACH else "NORMAL"
    if power_w is None:
        return ""
    return ("RUNNING_" if is_running else "IDLE_") + ("HEIGHTENED" if event.kind == "absorb" else "CURTAILED")


def told_as(state: str, yields_to: int | None) -> str:
    """Return what a part's state counts as in its group: one that gives way to another event is opted out."""
    return state if yields_to is None else State.OPTED_OUT


def state_of_group(states: Iterable[str], event: GridEvent, power_w: float | None) -> str:
    """Return what all cars together do, from the states of their parts: those that take part speak for the group."""
    found = set(states)
    if State.IN in found:
        if power_w is None:
            return ""
        is_running = abs(power_w) > SIGNIFICANT_W
        return ("RUNNING_" if is_running else "IDLE_") + ("HEIGHTENED" if event.kind == "absorb" else "CURTAILED")
    if State.OPTED_OUT in found:
        return "IDLE_OPTED_OUT" if power_w is None or abs(power_w) <= SIGNIFICANT_W else "RUNNING_OPTED_OUT"
    return "NORMAL"
