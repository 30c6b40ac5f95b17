"""Every source of prices and carbon, by slug; a new one is added here."""

from grid.feeds.ercot import ErcotDayAhead
from grid.feeds.watttime import WattTimeMarginal

SOURCES: dict[str, type[ErcotDayAhead] | type[WattTimeMarginal]] = {
    "ercot": ErcotDayAhead,
    "watttime": WattTimeMarginal,
}
