"""Draws one night's plan as the SVG in README.md: `python -m grid.planner.picture > grid/planner/night.svg`."""

import sys
from collections.abc import Sequence
from typing import Any

from grid.planner.solve import plan_problem

WIDTH, LEFT, RIGHT = 960, 64, 64
COLOURS = {
    "hold": "#e9c46a", "discharge": "#d1495b", "cheap": "#2a6f97", "clean": "#3a7d44", "deadline": "#7b2d8b",
    "minimum": "#f28482", "absorb": "#00a6a6", "idle": "#f1f3f5", "unplugged": "#ced4da",
}  # fmt: skip
FROM_HOUR = 16


def example_night() -> dict[str, Any]:
    """A V2G car home at 16:30 with 55 %, an event from 17:00 to 20:00, cheapest power at 01:00, departure at 07:30."""
    hours = [(FROM_HOUR + slot / 4) % 24 for slot in range(68)]
    price = [0.34 if 17 <= h < 21 else 0.11 if 1 <= h < 5 else 0.16 if h < 7 else 0.24 for h in hours]
    return {
        "id": "night", "slot_minutes": 15, "import_price": price, "export_price": [0.9 * p for p in price],
        "carbon_kg_per_kwh": [0.46 if 17 <= h < 23 else 0.28 if 2 <= h < 5 else 0.38 for h in hours],
        "carbon_price": 0.08, "adder": [0.4 if 17 <= h < 20 else 0.0 for h in hours],
        "plugged": [0, 0, *[1] * 60, *[0] * 6], "trip_kwh": [*[0.0] * 62, 9.0, *[0.0] * 5], "capacity_kwh": 70.0,
        "soc_percent": 55.0, "max_charge_kw": 7.2, "max_discharge_kw": 7.2, "charge_efficiency": 0.92,
        "discharge_efficiency": 0.92, "wear_per_kwh": 0.05, "minimum_percent": 20.0, "reserve_percent": 30.0,
        "max_percent": 90.0, "targets": [{"slot": 62, "soc_percent": 80.0}], "terminal_value_per_kwh": 0.1,
    }  # fmt: skip


def draw(problem: dict[str, Any], plan: dict[str, Any]) -> str:
    """Return the SVG of a plan: price, what the car does and why, and the battery."""
    slots = len(plan["power_kw"])
    step = (WIDTH - LEFT - RIGHT) / slots
    parts = [
        _line([LEFT + t * step for t in _twice(slots)], _stairs(problem["import_price"], 90, 20, 0.0, 0.4), "#495057"),
        _text(LEFT, 14, "price, currency/kWh: 0 to 0.40, and the event's reward on top (shaded)"),
    ]
    for t, adder in enumerate(problem["adder"]):
        if adder:
            parts.insert(0, f'<rect x="{LEFT + t * step:.1f}" y="20" width="{step:.2f}" height="70" fill="#fff3bf"/>')
    parts.append(_text(LEFT, 112, "power, kW: charging up, giving back down; coloured by reason"))
    for t, (power, reason) in enumerate(zip(plan["power_kw"], plan["reasons"], strict=True)):
        height = abs(power) / 7.2 * 50
        y = 170 - height if power > 0 else 170
        bar = (y, height) if height else (168, 4)
        parts.append(
            f'<rect x="{LEFT + t * step + 0.5:.1f}" y="{bar[0]:.1f}" width="{step - 1:.2f}" height="{bar[1]:.1f}" '
            f'fill="{COLOURS[reason]}"/>'
        )
    parts.append(_text(LEFT, 252, "battery, %: reserve at 30, target at 80"))
    for level in (30, 80):
        y = 350 - level * 0.85
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#adb5bd" stroke-dasharray="4 4"/>')
    xs = [LEFT + t * step for t in range(slots + 1)]
    parts.append(_line(xs, [350 - soc * 0.85 for soc in plan["soc_percent"]], "#1d3557"))
    parts += [
        _text(LEFT + hour * 4 * step - 12, 372, f"{(FROM_HOUR + hour) % 24:02}:00")
        for hour in range(0, slots // 4 + 1, 2)
    ]  # fmt: skip
    used = dict.fromkeys(plan["reasons"])
    for place, reason in enumerate(used):
        x = LEFT + place * 110
        parts.append(f'<rect x="{x}" y="384" width="12" height="12" fill="{COLOURS[reason]}"/>')
        parts.append(_text(x + 17, 394, reason))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 404" font-family="sans-serif" '
        f'font-size="12" role="img"><title>One night of a V2G car</title>\n'
        f'<rect width="{WIDTH}" height="404" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _twice(slots: int) -> list[int]:
    return [t + k for t in range(slots) for k in (0, 1)]


def _stairs(values: Sequence[float], low_y: float, high_y: float, low: float, high: float) -> list[float]:
    levels = [low_y + (value - low) / (high - low) * (high_y - low_y) for value in values]
    return [level for level in levels for _ in (0, 1)]


def _line(xs: Sequence[float], ys: Sequence[float], colour: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y}" fill="#212529">{text}</text>'


if __name__ == "__main__":
    night = example_night()
    sys.stdout.write(draw(night, plan_problem(night)))
