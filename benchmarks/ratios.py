"""What a benchmark reports: ratios with their targets, measured in one run on the same instances."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measured ratio; `target` and `moonshot` are least values, or most where `is_ceiling`."""

    name: str
    value: float
    target: float | None = None
    moonshot: float | None = None
    is_ceiling: bool = False
    detail: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.is_ceiling else self.value >= self.target

    def line(self) -> str:
        """The ratio, its target and whether it is met, on one line."""
        sign = "<=" if self.is_ceiling else ">="
        goal = "" if self.target is None else f" (target {sign} {self.target:g})"
        more = "" if self.moonshot is None else f", moonshot {sign} {self.moonshot:g}"
        mark = {None: " ", True: "+", False: "-"}[self.is_met]
        value = f"{self.value:.3g}" if abs(self.value) < 1000 else f"{self.value:,.0f}"
        return f"{mark} {self.name}: {value}{goal.rstrip(')') + more + ')' if goal else ''}  {self.detail}"


def cpu_seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """The least CPU time of some runs of `work`, after one to warm up: other work on the machine only ever adds."""
    work()
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best
