"""GM: the recordings of our partner contract."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Place

CAR = "7d1f0c5ae2b94c0f8a51e6d3b0974a21"
_API = f"{BASE}/gm/partner/v1"
_START_STOP = Capabilities(can_start_stop=True, hold_ends=HoldEnds.START_STOP)

CREDENTIALS = {
    "client_id": "client-one",
    "client_secret": "secret-one",
    "authorize_url": f"{BASE}/gm/oauth2/authorize",
    "token_url": f"{BASE}/gm/oauth2/token",
    "revoke_url": f"{BASE}/gm/oauth2/revoke",
    "api_base": _API,
}
KIT = Kit(
    slug="gm",
    credentials=CREDENTIALS,
    token_url=f"{BASE}/gm/oauth2/token",
    sign_in_url=f"{BASE}/gm/oauth2/authorize",
    asks={
        "list": ("GET", f"{_API}/vehicles", "vehicles"),
        "capabilities": ("GET", f"{_API}/vehicles/{CAR}/capabilities", "capabilities"),
        "status": ("GET", f"{_API}/vehicles/{CAR}/status", "status"),
        "command": ("POST", f"{_API}/vehicles/{CAR}/commands", "command"),
    },
    car_id=CAR,
    told={
        "hold": Told("hold", ("command",), _START_STOP),
        "resume": Told("resume", ("command",), _START_STOP),
    },
    lists=("list",),
    cars=(
        (2023, True, True, "1G1FY6S09P4100001"),
        (2024, False, True, ""),
        (2022, True, False, "1GNSKCKD0NR100009"),
    ),
    reads=("status",),
    state={
        "soc_percent": 61.5,
        "limit_percent": 90,
        "range_km": 245,
        "charge_state": ChargeState.CHARGING,
        "power_w": None,
        "place": Place(30.2711, -97.7437),
        "is_asleep": False,
    },
    finds=("capabilities",),
    richest=_START_STOP,
    token_seconds=3600,
    scopes=("vehicle.read", "vehicle.charge"),
    secrets=("1G1FY6S09P4100001", "30.2711"),
)
