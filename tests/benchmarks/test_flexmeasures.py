"""The rival gets the same problem, and where it is not installed the benchmark says so."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import flexmeasures
from benchmarks.instances import plain
from grid.planner.solve import plan_problem


@pytest.mark.parametrize("v2g", [False, True], ids=["v1g", "v2g"])
def test_our_plan_keeps_the_rivals_bounds_at_the_same_cost(v2g: bool) -> None:  # noqa: FBT001
    for seed in range(5):
        raw = plain(np.random.default_rng([seed, 97]), 96, 15.0, v2g=v2g)
        plan, car = plan_problem(raw), {name: np.array(list_) for name, list_ in flexmeasures.lists_of(raw).items()}
        kwh = np.array(plan["power_kw"]) * 0.25
        up, down = np.maximum(kwh, 0.0), np.maximum(-kwh, 0.0)
        assert (up <= car["charge"] + 1e-9).all()
        assert (down <= car["discharge"] + 1e-9).all()
        stock = np.cumsum(up * car["efficiencies"][0] - down / car["efficiencies"][1] - car["drive"])
        assert (stock >= car["low"] - 1e-6).all()
        assert (stock <= car["high"] + 1e-6).all()
        assert car["buy"] @ up - car["sell"] @ down == pytest.approx(plan["cost"], abs=1e-9)


def test_says_plainly_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flexmeasures, "PLACE", tmp_path)
    monkeypatch.setattr(flexmeasures, "BATCH", 10)
    ratios = list(flexmeasures.run(is_short=True))
    assert len(ratios) == 2
    assert all(math.isnan(ratio.value) and ratio.is_met is None for ratio in ratios)
    assert all("not measured" in ratio.line() for ratio in ratios)


def test_says_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(flexmeasures.NotInstalled, match="No such file"):
        flexmeasures.schedule(tmp_path / "python", [])


def test_says_what_the_child_complained_of(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no module named flexmeasures' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(flexmeasures.NotInstalled, match="python failed: no module named flexmeasures"):
        flexmeasures.schedule(program, [])
