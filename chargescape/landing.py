"""Real numbers for the landing page: what waiting for better hours was worth in markets whose history we hold.

Worked out from the series that the sandbox replays (sandbox/feeds/data/ATTRIBUTION.md); a test works them out again.
A car comes home at 18:00 and needs three hours of charging before 07:00: at once, or in the night's three best hours.
"""

from dataclasses import dataclass
from datetime import time

from grid.bars import Bars, bars_of

FIRST_HOUR, HOURS, NEEDED = 18, 13, 3


@dataclass(frozen=True)
class Record:
    """One market's history. Both means are in millionths of `unit`; `hourly` is the mean of each hour from 18:00 on."""

    nights: int
    at_once: int
    at_best: int
    hourly: tuple[int, ...]

    @property
    def less_percent(self) -> int:
        """How much less the three best hours came to, in whole percent."""
        return round(100 * (self.at_once - self.at_best) / self.at_once)


# ERCOT day-ahead settlement point prices, load zone Austin Energy, 2022; USD per kWh at wholesale.
AUSTIN_PRICE = Record(
    nights=363,
    at_once=97_460,
    at_best=36_217,
    hourly=(
        103_288, 103_575, 85_517, 63_101, 52_594, 46_635, 45_719, 41_379, 38_568, 37_460, 39_477, 45_746, 64_375,
    ),
)  # fmt: skip
# Marginal operating emissions rate (SGIP signal by WattTime), PG&E area, May to August 2021; kg CO2 per kWh.
CALIFORNIA_CARBON = Record(
    nights=125,
    at_once=414_056,
    at_best=269_568,
    hourly=(
        393_290, 437_381, 411_497, 395_845, 364_119, 324_802, 320_680, 296_126, 283_261, 280_563, 285_663, 310_015,
        305_956,
    ),
)  # fmt: skip


def record_bars(record: Record) -> Bars:
    """Return the record's hours as bars: those of charging at once, the three best ones, and the others between."""
    best = set(sorted(range(HOURS), key=lambda hour: record.hourly[hour])[:NEEDED])
    kinds = ["best" if hour in best else "now" if hour < NEEDED else "rest" for hour in range(HOURS)]
    times = [time((FIRST_HOUR + hour) % 24) for hour in range(HOURS)]
    bars = bars_of((at, [(kind, value)]) for at, kind, value in zip(times, kinds, record.hourly, strict=True))
    assert bars is not None  # prices and rates of whole years are above nothing
    return bars
