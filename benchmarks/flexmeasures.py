"""FlexMeasures' `device_scheduler` on the planner's own instances, in an environment of its own.

FlexMeasures is no dependency of ours: the whole run installs it below var/benchmarks, once, and runs it in a child
process; the short run only uses what is there. Where it cannot be installed, the ratios say so. Costs must agree.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.highs import terms_of
from benchmarks.instances import Raw, plain
from benchmarks.planner import packed
from benchmarks.ratios import Ratio, cpu_seconds
from grid.planner.batch import solve

PINNED = ("flexmeasures==1.0.1", "highspy==1.15.1", "pandas==2.3.3")
HOME = Path(__file__).resolve().parent.parent
PLACE = HOME / "var" / "benchmarks" / "-".join(PINNED).replace("==", "-")
CHILD = Path(__file__).resolve().parent / "flexmeasures_child.py"
SOLVER = "highspy"  # its default: HiGHS without Pyomo, its quickest
INSTALL_SECONDS, RUN_SECONDS = 1200, 1200
BATCH = 2000
SAME = 1e-6  # how far apart costs may be, relative

Lists = dict[str, list[float]]


class NotInstalled(Exception):
    """FlexMeasures could not be installed or started; says why."""


def run(*, is_short: bool = False) -> Iterator[Ratio]:
    """Yield its time per car over ours."""
    cars = 5 if is_short else 25
    for what, v2g in (("V2G", True), ("V1G", False)):
        name = f"FlexMeasures over ours, T=96, {what}"
        rng = np.random.default_rng([96, v2g])
        raws = [plain(rng, 96, 15.0, v2g=v2g) for _ in range(BATCH)]
        try:
            theirs = schedule(python(may_install=not is_short), raws[:cars])
        except NotInstalled as why:
            yield Ratio(name, float("nan"), detail=f"not measured: {why}")
            continue
        yield from _compare(name, raws, theirs, is_goal=v2g)


def _compare(name: str, raws: list[Raw], theirs: list[tuple[float, float]], *, is_goal: bool) -> Iterator[Ratio]:
    batch, buy, sell = packed(raws)
    ours = cpu_seconds(lambda: solve(batch, buy, sell, want_soc=False), repeats=9) / len(raws)
    costs = solve(batch, buy, sell, want_soc=False).cost[: len(theirs)]
    each = float(np.median([seconds for seconds, _ in theirs]))
    detail = f"{each * 1e3:.1f} ms over {ours * 1e6:.2f} us; median of {len(theirs)} cars, batch of {len(raws)}"
    target, moonshot = (13_000.0, 20_000.0) if is_goal else (None, None)
    yield Ratio(name, each / ours, target, moonshot, detail=detail)
    apart = [abs(cost - best) / max(1.0, abs(best)) for (_, cost), best in zip(theirs, costs, strict=True)]
    yield Ratio(f"{name}: largest difference of costs", max(apart), SAME, is_ceiling=True)


def lists_of(raw: Raw) -> Lists:
    """Write a problem for the child: kWh a slot, stock relative to the start."""
    terms = terms_of(raw)
    return {
        "start": [terms.start],
        "low": (terms.lower[1:] - terms.start).tolist(),
        "high": (terms.upper[1:] - terms.start).tolist(),
        "charge": (terms.charge_kw * terms.hours).tolist(),
        "discharge": (terms.discharge_kw * terms.hours).tolist(),
        "efficiencies": [terms.charge_efficiency, terms.discharge_efficiency],
        "drive": terms.drive.tolist(),
        "buy": terms.buy.tolist(),
        "sell": terms.sell.tolist(),
    }


def schedule(program: Path, raws: list[Raw]) -> list[tuple[float, float]]:
    """Let FlexMeasures schedule problems; returns CPU seconds and cost of each.

    Raises:
        NotInstalled: where it does not run.
    """
    with TemporaryDirectory() as folder:
        cars, found = Path(folder, "cars.json"), Path(folder, "found.json")
        cars.write_text(json.dumps([lists_of(raw) for raw in raws]))
        _call([program, "-I", CHILD, cars, found, SOLVER], RUN_SECONDS)
        return [(seconds, cost) for seconds, cost in json.loads(found.read_text())[SOLVER]]


def python(*, may_install: bool) -> Path:
    """Return the interpreter of FlexMeasures' environment, made where there is none yet and that is allowed.

    Raises:
        NotInstalled: where there is none.
    """
    program, is_ready = PLACE / "bin" / "python", PLACE / "installed"
    if not is_ready.exists():
        if not may_install:
            raise NotInstalled("the whole run installs FlexMeasures, a short one does not")
        print(f"  installing {' '.join(PINNED)} into {PLACE.relative_to(HOME)} (some minutes, once) ...", flush=True)
        _call([sys.executable, "-m", "venv", "--clear", PLACE], INSTALL_SECONDS)
        pip: list[str | Path] = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINNED]
        _call(pip, INSTALL_SECONDS)
        is_ready.touch()
    return program


def _call(command: Sequence[str | Path], seconds: float) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True, env=environment)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        raise NotInstalled(f"{Path(command[0]).name} failed: {lines[-1] if lines else error}") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NotInstalled(str(error)) from error
