"""What the contract suite needs to know of each maker, one module a maker; a registered maker without one fails."""

from tests.vehicles.automakers.kits import bmw, ford, gm, homebox, honda, smartcar, tesla
from tests.vehicles.automakers.kits.base import Kit

_MAKERS = (bmw, ford, gm, homebox, honda, smartcar, tesla)
KITS: dict[str, Kit] = {maker.KIT.slug: maker.KIT for maker in _MAKERS}
