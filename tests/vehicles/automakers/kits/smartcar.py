"""Smartcar v3: connections, signals and commands, after its published shapes."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, LinkKind, Place

CAR, USER = "sc-ioniq-1", "user-1"
_API = f"{BASE}/smartcar/vehicle/v3"
_START_STOP = Capabilities(
    can_start_stop=True, hold_ends=HoldEnds.START_STOP, set_limit_percent=(50, 100, 1), link_kind=LinkKind.HOSTED_PAGE
)
_VIN = "signals/vehicleidentification-vin"

KIT = Kit(
    slug="smartcar",
    credentials={
        "client_id": "client-one",
        "client_secret": "secret-one",
        "connect_url": f"{BASE}/smartcar/connect/authorize",
        "token_url": f"{BASE}/smartcar/oauth2/token",
        "vehicle_base": _API,
        "management_base": f"{BASE}/smartcar/management/v3",
        "management_token": "management-token",
        "mode": "live",
    },
    token_url=f"{BASE}/smartcar/oauth2/token",
    sign_in_url=f"{BASE}/smartcar/connect/authorize",
    link_kind=LinkKind.HOSTED_PAGE,
    has_pkce=False,
    asks={
        "list": ("GET", f"{_API}/connections", "connections"),
        "vin": ("GET", f"{_API}/vehicles/{CAR}/{_VIN}", "vin"),
        "signals": ("GET", f"{_API}/vehicles/{CAR}/signals", "signals"),
        "stop": ("POST", f"{_API}/vehicles/{CAR}/commands/charge/stop", "command"),
        "start": ("POST", f"{_API}/vehicles/{CAR}/commands/charge/start", "command"),
        "limit": ("POST", f"{_API}/vehicles/{CAR}/commands/charge/set-limit", "command"),
    },
    car_id=CAR,
    told={
        "hold": Told("hold", ("stop",), _START_STOP, has_command_id=False),
        "resume": Told("resume", ("start",), _START_STOP, has_command_id=False),
        "set_limit": Told("set_limit", ("limit",), _START_STOP, has_command_id=False),
    },
    lists=("list", "vin"),
    lists_extra=(
        ("GET", f"{_API}/vehicles/sc-id4-2/{_VIN}", 403),
        ("GET", f"{_API}/vehicles/sc-golf-3/{_VIN}", 501),
    ),
    cars=((2024, True, True, "KM8KRDAF5RU000201"), (2024, True, True, ""), (2021, True, False, "")),
    reads=("signals",),
    state={
        "soc_percent": 62.5,
        "limit_percent": 80,
        "range_km": 289.68192,
        "is_plugged_in": True,
        "charge_state": ChargeState.CHARGING,
        "power_w": 10_900,
        "place": Place(30.2672, -97.7431),
        "is_asleep": None,
    },
    finds=("list", "signals"),
    richest=_START_STOP,
    access_token=f"{USER} access-one",
    refresh_token=USER,
    refreshed_token=USER,
    refresh_grant_type="client_credentials",
    token_seconds=3600,
    has_key=False,
    secrets=("KM8KRDAF5RU000201", "30.2672", USER, "management-token"),
)
