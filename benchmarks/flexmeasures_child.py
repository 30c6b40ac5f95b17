"""Runs FlexMeasures' `device_scheduler` in its own environment: instances in one file, times and costs in another.

Run by flexmeasures.py as a script (isolated, so that this folder's modules do not hide FlexMeasures); imports nothing
of ours. Only the scheduler's call is timed: its DataFrames, its database and its web application are not charged to it.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
from flask import Flask  # type: ignore[import-not-found]
from flexmeasures.data.models.planning import FlowCommitment  # type: ignore[import-not-found]
from flexmeasures.data.models.planning.linear_optimization import device_scheduler  # type: ignore[import-not-found]

REPEATS = 3
SLOT = pd.Timedelta(minutes=15)
COLUMNS = ("equals", "min", "max", "efficiency", "derivative equals")


def tables(car: dict[str, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame, FlowCommitment]:
    """Write one car as the scheduler wants it: kWh a slot instead of kW, stock relative to the start.

    The lists are by slot: most kWh charged and discharged, lowest and highest stock at the slot's end, kWh driven,
    price of a kWh bought and sold.
    """
    times = pd.date_range("2026-01-01 16:00", periods=len(car["buy"]), freq=SLOT, tz="UTC")
    device = pd.DataFrame(dict.fromkeys(COLUMNS, float("nan")), index=times)
    device["min"], device["max"] = car["low"], car["high"]
    device["derivative max"], device["derivative min"] = car["charge"], [-kwh for kwh in car["discharge"]]
    device["derivative up efficiency"], device["derivative down efficiency"] = car["efficiencies"]
    device["stock delta"] = [-kwh for kwh in car["drive"]]
    site = pd.DataFrame({"derivative max": float("nan"), "derivative min": float("nan")}, index=times)
    prices = {"upwards_deviation_price": car["buy"], "downwards_deviation_price": car["sell"]}
    series = {name: pd.Series(values, index=times) for name, values in prices.items()}
    return device, site, FlowCommitment(name="energy", index=times, quantity=pd.Series(0.0, index=times), **series)


def schedule(car: dict[str, list[float]]) -> tuple[float, float]:
    """Schedule one car some times; returns the least CPU seconds and the cost."""
    best, cost = float("inf"), float("nan")
    for _ in range(REPEATS):
        device, site, energy = tables(car)
        begun = time.process_time()
        _, cost, results, _ = device_scheduler([device], site, commitments=[energy], initial_stock=car["start"][0])
        best = min(best, time.process_time() - begun)
        if results.solver.termination_condition != "optimal":
            raise SystemExit(f"FlexMeasures: {results.solver.termination_condition}")
    return best, float(cost)


def main() -> None:
    """Schedule every car of a file under some solvers: `cars.json found.json solver ...`."""
    warnings.simplefilter("ignore")
    cars = json.loads(Path(sys.argv[1]).read_text())
    found = {}
    for solver in sys.argv[3:]:
        app = Flask("benchmark")
        app.config.update(
            FLEXMEASURES_LP_SOLVER=solver, FLEXMEASURES_LP_SOLVER_OPTIONS={}, LOGGING_LEVEL="INFO"
        )  # quiet HiGHS
        with app.app_context():
            schedule(cars[0])  # imports and first-time work are not counted
            found[solver] = [schedule(car) for car in cars]
    # Not on standard output: there HiGHS writes its log.
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
