"""Every automaker that owners can link, by slug. A new maker is one module and one line here."""

from collections.abc import Mapping
from typing import Protocol

from vehicles.automakers.base import Automaker, LinkKind, Tools
from vehicles.automakers.bmw import Bmw
from vehicles.automakers.ford import Ford
from vehicles.automakers.gm import Gm
from vehicles.automakers.homebox import HomeBox
from vehicles.automakers.honda import Honda
from vehicles.automakers.smartcar import Smartcar
from vehicles.automakers.tesla import Tesla


class AutomakerClass(Protocol):
    """An adapter's class: named for pages, made from credentials and tools."""

    @property
    def name(self) -> str:
        """How people call the maker."""

    @property
    def link_kind(self) -> LinkKind:
        """How an owner gives access."""

    @property
    def idle_days(self) -> int:
        """How many days a grant lives that nobody uses; 0: for ever."""

    def __call__(self, credentials: Mapping[str, str], tools: Tools) -> Automaker:
        """Make the adapter."""


AUTOMAKERS: dict[str, AutomakerClass] = {
    "ford": Ford,
    "bmw": Bmw,
    "honda": Honda,
    "smartcar": Smartcar,
    "tesla": Tesla,
    "gm": Gm,
    "homebox": HomeBox,
}
