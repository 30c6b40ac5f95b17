"""docs/settlement.md is executed: its example, and a second reader who knows the document alone."""

import json
import re
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from foundation.money import divide
from grid.metering import evidence, group_evidence
from grid.metering.groups import ShareRule, weights

DOCUMENT = Path(__file__).parents[3] / "docs" / "settlement.md"


def _blocks() -> list[Any]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)]


def _stated(result: Any, keys: Any) -> dict[str, Any]:
    return {key: getattr(result, key) for key in keys}


def test_worked_example_comes_out_as_written() -> None:
    inputs, outcome = _blocks()[:2]

    assert _stated(evidence.recompute(inputs), outcome) == outcome


def test_independent_reader_arrives_at_the_same_cents() -> None:
    """Follows the document's words with other means (seconds and rationals, one stay, metered)."""
    inputs, outcome = _blocks()[:2]
    starts, ends = (_seconds(inputs["event"][key]) for key in ("starts_at", "ends_at"))
    car, (stay,) = inputs["car"], inputs["stays"]
    room = Fraction(stay["limit_percent"]) - Fraction(stay["soc_percent"])
    charging = room / 100 * car["capacity_wh"] / Fraction(car["charge_efficiency"]) / car["power_w"] * 3600
    plugged_in = _seconds(stay["plugged_in_at"])
    overlap = min(ends, plugged_in + charging) - max(starts, plugged_in)
    baseline = round(overlap * car["power_w"] / 3600)
    net = round(
        sum(
            sign * (_at(inputs["readings"], key, ends) - _at(inputs["readings"], key, starts))
            for key, sign in (("imported_wh", 1), ("exported_wh", -1))
        )
    )
    credited = max(0, baseline - net)
    amount = Decimal(credited) * inputs["reward"]["rate_micros_per_kwh"] / 10_000_000

    assert (baseline, net, credited) == (outcome["baseline_wh"], outcome["net_wh"], outcome["credited_wh"])
    assert amount.quantize(Decimal(1), ROUND_HALF_EVEN) == outcome["amount_minor"]


def test_group_of_three_comes_out_as_written() -> None:
    inputs, outcome = _blocks()[2:]
    result = group_evidence.recompute(inputs)
    stated = group_evidence.stated(result)
    assert {key: stated[key] for key in outcome["result"]} == outcome["result"]
    by = weights(group_evidence.read(inputs).members, ShareRule.BY_COMMITMENT)
    for name, whole in (("amount_minor", result.amount_minor), ("credited_wh", result.credited_wh)):
        assert list(divide(whole, by).shares) == outcome[name]


def _seconds(text: str) -> Fraction:
    return Fraction(datetime.fromisoformat(text).timestamp())


def _at(readings: list[dict[str, Any]], key: str, moment: Fraction) -> Fraction:
    low = max((r for r in readings if _seconds(r["observed_at"]) <= moment), key=lambda r: _seconds(r["observed_at"]))
    high = min((r for r in readings if _seconds(r["observed_at"]) >= moment), key=lambda r: _seconds(r["observed_at"]))
    span = _seconds(high["observed_at"]) - _seconds(low["observed_at"])
    share = (moment - _seconds(low["observed_at"])) / span if span else Fraction(0)
    return Fraction(low[key]) + Fraction(high[key] - low[key]) * share
