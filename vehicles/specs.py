"""What a car's battery holds and how fast it charges at home, by make, model, year and trim.

Source: vehicles/data/ev_specs.csv (open-ev-data, CDLA-Permissive-2.0; see the README beside it). Pure: no Django.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SPECS_FILE = Path(__file__).parent / "data" / "ev_specs.csv"
MOST_AC_W = 19_200  # 80 A single phase at 240 V, the most that a North American home charger gives (SAE J1772)


@dataclass(frozen=True)
class Spec:
    """Usable battery energy and AC charging power; `is_assumed` where they are a guess to ask the owner about."""

    capacity_wh: int
    max_charge_w: int
    is_assumed: bool = False


@dataclass(frozen=True)
class _Row:
    model_year: int
    trim: str
    spec: Spec


# Cars that their makers sell as able to give energy back through a wall box: Intelligent Backup Power (Ford),
# vehicle-to-home (GM's Ultium cars, Kia EV9), Powershare (Tesla), V2G with Fermata's box (Nissan Leaf) and in
# Utrecht's car sharing (Hyundai IONIQ 5).
BIDIRECTIONAL = frozenset(
    {
        ("ford", "f150lightning"),
        ("chevrolet", "silveradoev"),
        ("chevrolet", "equinoxev"),
        ("chevrolet", "blazerev"),
        ("gmc", "sierraev"),
        ("gmc", "hummerev"),
        ("cadillac", "lyriq"),
        ("cadillac", "optiq"),
        ("cadillac", "vistiq"),
        ("hyundai", "ioniq5"),
        ("kia", "ev9"),
        ("nissan", "leaf"),
        ("tesla", "cybertruck"),
    }
)
# A guess must not make a car late: a large battery and a small charger make every hold end sooner.
UNKNOWN = Spec(capacity_wh=100_000, max_charge_w=7_200, is_assumed=True)


def find_spec(*, make: str, model: str, model_year: int | None, trim: str = "") -> Spec:
    """Return the spec of a car as its maker names it.

    A year that the table lacks takes the nearest year. Where trim words leave several batteries open, the largest
    battery and the slowest charger are taken and marked as assumed, because that guess never makes a car late. A car
    that is not in the table gets `UNKNOWN`.
    """
    candidates = list(_table().get((_plain(make), _plain(model)), ()))
    if not candidates:
        return UNKNOWN
    year = model_year or max(row.model_year for row in candidates)
    nearest = min(abs(row.model_year - year) for row in candidates)
    candidates = [row for row in candidates if abs(row.model_year - year) == nearest]
    return _of_trim(candidates, _plain(trim))


def is_bidirectional(*, make: str, model: str) -> bool:
    """Say whether the car's maker sells it as able to give energy back through a wall box; unknown cars are not."""
    return (_plain(make), _plain(model)) in BIDIRECTIONAL


def _of_trim(candidates: list[_Row], trim: str) -> Spec:
    exact = [row.spec for row in candidates if trim and row.trim == trim]
    specs = exact or [row.spec for row in candidates]
    batteries = {spec.capacity_wh for spec in specs}
    # Makers sell batteries as "Standard Range" and "Extended Range" across trims.
    if "extended" in trim:
        batteries = {max(batteries)}
    elif "standard" in trim:
        batteries = {min(batteries)}
    fitting = [spec for spec in specs if spec.capacity_wh in batteries]
    slowest = min(spec.max_charge_w for spec in fitting)
    return Spec(max(batteries), slowest, is_assumed=len(batteries) > 1)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], list[_Row]]:
    table: dict[tuple[str, str], list[_Row]] = {}
    with SPECS_FILE.open(newline="") as file:
        for record in csv.DictReader(file):
            kwh = record["battery_kwh_net"] or record["battery_kwh_gross"]
            if not kwh or not record["ac_max_kw"]:
                continue
            spec = Spec(round(float(kwh) * 1000), min(MOST_AC_W, round(float(record["ac_max_kw"]) * 1000)))
            row = _Row(int(record["model_year"]), _plain(record["trim"]), spec)
            table.setdefault((_plain(record["make"]), _plain(record["model"])), []).append(row)
    return table
