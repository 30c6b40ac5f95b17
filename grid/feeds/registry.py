"""Every source of prices and carbon, by slug; a new one is added here and in the settings' FEEDS."""

from grid.feeds.caiso import CaisoDayAhead, CaisoRealTime
from grid.feeds.electricity_maps import ElectricityMapsAverage
from grid.feeds.ercot import ErcotDayAhead, ErcotRealTime
from grid.feeds.ieso import IesoDayAhead, IesoRealTime
from grid.feeds.nyiso import NyisoDayAhead, NyisoRealTime
from grid.feeds.watttime import WattTimeMarginal

# What makes an adapter; each takes the session and its settings by name.
SOURCES: dict[str, type] = {
    "caiso": CaisoDayAhead,
    "caiso_real_time": CaisoRealTime,
    "electricity_maps": ElectricityMapsAverage,
    "ercot": ErcotDayAhead,
    "ercot_real_time": ErcotRealTime,
    "ieso": IesoDayAhead,
    "ieso_real_time": IesoRealTime,
    "nyiso": NyisoDayAhead,
    "nyiso_real_time": NyisoRealTime,
    "watttime": WattTimeMarginal,
}
