"""Draws the closed loop's frontiers: `python -m benchmarks.closed_loop_picture > grid/planner/frontier.svg`."""

import sys
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.closed_loop import SIDES, Point, hedges, margins, points, told
from benchmarks.closed_loop_data import read_sessions
from benchmarks.closed_loop_world import build_world

WIDTH, HEIGHT, LEFT, TOP, PANEL, DEEP = 960, 410, 66, 44, 380, 290
MOST_SHORT = 0.25
OURS, PLAIN, BOUND = "#2a6f97", "#d1495b", "#3a7d44"
TITLES = {
    "evening": "as if parked in the evening, nine hours later",
    "as parked": "as they were parked, by day",
}


class Panel:
    """One frontier: savings to the right, cars short upward, both from zero."""

    def __init__(self, left: float, most_saved: float) -> None:
        self.left, self.most_saved = left, most_saved

    def spot(self, each: Point) -> tuple[float, float]:
        """Where a point lies on the picture."""
        across = self.left + max(each.saved, 0.0) / self.most_saved * PANEL
        return across, TOP + DEEP * (1.0 - min(each.short / MOST_SHORT, 1.0))

    def frame(self, title: str) -> list[str]:
        """The axes with their numbers."""
        parts = [_text(self.left, 24, title, size=14)]
        for fifth in range(6):
            y = TOP + DEEP * (1 - fifth / 5)
            parts.append(f'<path d="M{self.left} {y:.1f}h{PANEL}" stroke="#e9ecef"/>')
            parts.append(_text(self.left - 8, y + 4, f"{MOST_SHORT * fifth / 5:.0%}", anchor="end"))
        for quarter in range(5):
            x, saved = self.left + PANEL * quarter / 4, self.most_saved * quarter / 4
            parts.append(_text(x, TOP + DEEP + 18, f"{saved:.0%}", anchor="middle"))
        return parts

    def curve(self, frontier: Sequence[Point], colour: str, *, is_named: bool) -> list[str]:
        """A frontier's points, joined, each named by the last word of its name."""
        spots = [self.spot(each) for each in frontier]
        parts = [
            f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" stroke="{colour}" stroke-width="2"/>'
            for a, b in pairwise(spots)
        ]
        for (x, y), each in zip(spots, frontier, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            if is_named:
                parts.append(_text(x + 8, y + 12, each.name.removeprefix("hedge ").removesuffix("/kWh"), colour=colour))
        return parts


def draw(sides: dict[str, list[list[Point]]]) -> str:
    """Return the SVG of some sides' frontiers: ours, the margins', the bound."""
    parts = []
    for number, (name, (ours, plain, bound)) in enumerate(sides.items()):
        panel = Panel(LEFT + number * (PANEL + LEFT + 24), 0.4 if number == 0 else 0.08)
        parts += panel.frame(TITLES[name])
        x = panel.spot(bound[0])[0]
        parts.append(f'<path d="M{x:.1f} {TOP}v{DEEP}" stroke="{BOUND}" stroke-dasharray="5 4" stroke-width="2"/>')
        parts += panel.curve([ours[0], *plain], PLAIN, is_named=False)
        parts += panel.curve(ours, OURS, is_named=True)
    y = HEIGHT - 34
    parts.append(_text(LEFT, y, "across: saved of what charging at once costs; up: cars that left over 1 kWh short"))
    for place, (colour, what) in enumerate(
        (
            (OURS, "hedged: currency for a kWh missing"),
            (PLAIN, "ready 0.5 to 6 h earlier than announced"),
            (BOUND, "told the real departures: nobody short"),
        )
    ):
        x = LEFT + place * 300
        parts.append(f'<rect x="{x}" y="{y + 12}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 18, y + 22, what))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img"><title>Cars short against savings</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#212529", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{text}</text>'


def main() -> None:
    """Simulate every session and draw what comes out."""
    sessions = read_sessions()
    sides = {}
    for name, hours_later in SIDES.items():
        world = build_world(sessions, hours_later=hours_later)
        sides[name] = [points(world, policies) for policies in (hedges(), margins(), [told()])]
    sys.stdout.write(draw(sides))


if __name__ == "__main__":
    main()
