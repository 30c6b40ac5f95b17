"""What must hold of every plan, checked from the format alone."""

from typing import Any

import numpy as np

from benchmarks.highs import Terms, terms_of

NEAR = 1e-9


def assert_keeps_format(raw: dict[str, Any], plan: dict[str, Any], *, floor: str = "reserve_percent") -> None:
    """Assert that a plan obeys dynamics, limits and bounds and that its sums are what the format says."""
    terms = terms_of(raw, floor=floor if raw["max_discharge_kw"] > 0 else "minimum_percent")
    power = np.array(plan["power_kw"])
    soc = np.array(plan["soc_percent"]) / 100.0 * raw["capacity_kwh"]
    charge, discharge = np.maximum(power, 0.0), np.maximum(-power, 0.0)
    assert (charge <= terms.charge_kw + NEAR).all()
    assert (discharge <= terms.discharge_kw + NEAR).all()
    stored = (charge * terms.charge_efficiency - discharge / terms.discharge_efficiency) * terms.hours - terms.drive
    assert np.abs(terms.start + np.cumsum(stored) - soc[1:]).max() < NEAR
    assert (soc >= terms.lower - NEAR).all()
    assert (soc <= terms.upper + NEAR).all()
    _assert_sums(raw, plan, terms)


def _assert_sums(raw: dict[str, Any], plan: dict[str, Any], terms: Terms) -> None:
    energy = np.array(plan["power_kw"]) * terms.hours
    drawn, delivered = np.maximum(energy, 0.0), np.maximum(-energy, 0.0)
    soc = np.array(plan["soc_percent"]) / 100.0 * raw["capacity_kwh"]
    cost = terms.buy @ drawn - terms.sell @ delivered - terms.end_value * soc[-1]
    assert abs(plan["cost"] - cost) < NEAR * max(1.0, abs(cost))
    cash = np.array(raw["import_price"]) @ drawn - np.array(raw["export_price"]) @ delivered
    assert abs(plan["cash"] - cash) < NEAR * max(1.0, abs(cash))
    carbon = np.array(raw.get("carbon_kg_per_kwh", np.zeros(terms.slots))) @ (drawn - delivered)
    assert abs(plan["carbon_kg"] - carbon) < NEAR * max(1.0, abs(carbon))
    short = sum(max(0.0, t["soc_percent"] / 100 * raw["capacity_kwh"] - soc[t["slot"]]) for t in raw["targets"])
    assert abs(plan["shortfall_kwh"] - short) < 1e-8
    assert plan["lower_bound"] <= plan["cost"] + NEAR
    assert plan["status"] == ("relaxed" if terms_of(raw).is_cut else "optimal")
    assert len(plan["reasons"]) == terms.slots


def gap(cost: float, best: float) -> float:
    """Relative distance of a cost from the best."""
    return (cost - best) / max(1.0, abs(best))
