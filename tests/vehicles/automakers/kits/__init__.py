"""What the contract suite needs to know of each maker, one module a maker; a registered maker without one fails."""

from tests.vehicles.automakers.kits import bmw, ford, homebox, honda, smartcar
from tests.vehicles.automakers.kits.base import Kit

KITS: dict[str, Kit] = {kit.slug: kit for kit in (bmw.KIT, ford.KIT, homebox.KIT, honda.KIT, smartcar.KIT)}
