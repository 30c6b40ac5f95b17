"""What a plan amounts to: its cost by the format's formula, the bill, the carbon, the shortfall, the alternative."""

import numpy as np

from grid.planner.problem import Bytes, Floats, Problem

NEAR_KWH = 1e-9  # an SoC this close to a target has made it


def cost_of(problem: Problem, power_kw: Floats, end_kwh: float) -> float:
    """Cost of net AC power [T] by the formula of docs/planner-format.md."""
    energy = power_kw * problem.slot_hours
    drawn, delivered = np.maximum(energy, 0.0), np.maximum(-energy, 0.0)
    running = problem.buy @ drawn - (problem.sell - problem.wear_per_kwh) @ delivered
    return float(running - problem.terminal_value_per_kwh * end_kwh)


def cash_of(problem: Problem, power_kw: Floats) -> float:
    """The energy bill alone: no carbon, adder, wear or terminal value."""
    energy = power_kw * problem.slot_hours
    return float(problem.import_price @ np.maximum(energy, 0.0) - problem.export_price @ np.maximum(-energy, 0.0))


def carbon_of(problem: Problem, power_kw: Floats) -> float:
    """Marginal carbon of net energy, kg."""
    return float(problem.carbon @ (power_kw * problem.slot_hours))


def shortfall_of(problem: Problem, soc_kwh: Floats) -> float:
    """Energy missing at the targets, summed over them, kWh."""
    missing = (wanted - soc_kwh[slot] for slot, wanted in problem.targets)
    return float(sum(short for short in missing if short > NEAR_KWH))


def stays(plugged: Bytes) -> list[tuple[int, int]]:
    """The periods [first slot, slot after the last) in which the car is plugged in."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], plugged, [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def charge_at_once(problem: Problem) -> tuple[Floats, Floats]:
    """Net power [T] and SoC kWh [T+1] of the car that charges at full power from plug-in to its stay's highest target.

    A stay without a target charges to the minimum; the battery gives a trip no more than it holds.
    """
    power, soc = np.zeros(problem.slots), np.empty(problem.slots + 1)
    level = np.full(problem.slots, -1.0)
    for begin, end in stays(problem.plugged):
        wanted = [kwh for slot, kwh in problem.targets if begin < slot <= end]
        level[begin:end] = min(max(wanted, default=problem.minimum_kwh), problem.max_kwh)
    full = problem.charge_efficiency * problem.max_charge_kw * problem.slot_hours
    soc[0] = problem.start_kwh
    for t in range(problem.slots):
        step = min(full, max(level[t] - soc[t], 0.0))
        power[t] = step / problem.charge_efficiency / problem.slot_hours
        soc[t + 1] = soc[t] + step - min(problem.trip_kwh[t], soc[t])
    return power, soc
