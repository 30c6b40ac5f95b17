"""The bidirectional wall box: the recordings of our partner contract."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Place

BOX = "box-4f21"
_API = f"{BASE}/homebox/partner/v1"
_TIMED = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, max_discharge_w=9600)

KIT = Kit(
    slug="homebox",
    credentials={
        "client_id": "client-one",
        "client_secret": "secret-one",
        "authorize_url": f"{BASE}/homebox/oauth2/authorize",
        "token_url": f"{BASE}/homebox/oauth2/token",
        "revoke_url": f"{BASE}/homebox/oauth2/revoke",
        "api_base": _API,
    },
    token_url=f"{BASE}/homebox/oauth2/token",
    sign_in_url=f"{BASE}/homebox/oauth2/authorize",
    asks={
        "list": ("GET", f"{_API}/boxes", "boxes"),
        "box": ("GET", f"{_API}/boxes/{BOX}", "box"),
        "state": ("GET", f"{_API}/boxes/{BOX}/state", "state"),
        "setpoint": ("PUT", f"{_API}/boxes/{BOX}/setpoint", "setpoint"),
        "release": ("DELETE", f"{_API}/boxes/{BOX}/setpoint", "setpoint"),
    },
    car_id=BOX,
    told={
        "hold": Told("hold", ("setpoint",), _TIMED),
        "resume": Told("resume", ("release",), _TIMED, is_noop_when_gone=True),
        "discharge": Told("discharge", ("setpoint",), _TIMED),
    },
    lists=("list",),
    cars=((None, True, True, ""),),
    reads=("state",),
    state={
        "soc_percent": 62.5,
        "is_plugged_in": True,
        "power_w": -7200,
        "exported_wh": 7890,
        "charge_state": ChargeState.DISCHARGING,
        "place": Place(30.2672, -97.7431),
    },
    finds=("box",),
    richest=_TIMED,
    secrets=("30.2672",),
)
