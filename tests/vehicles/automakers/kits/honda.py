"""Honda: the recordings of our partner contract."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Place

CAR = "hnd-2b8c6a10"
_API = f"{BASE}/honda/partner/v1"
_TIMED = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, max_discharge_w=9600)
_LIMITED = Capabilities(set_limit_percent=(50, 100, 5))

KIT = Kit(
    slug="honda",
    credentials={
        "client_id": "client-one",
        "client_secret": "secret-one",
        "authorize_url": f"{BASE}/honda/oauth2/authorize",
        "token_url": f"{BASE}/honda/oauth2/token",
        "revoke_url": f"{BASE}/honda/oauth2/revoke",
        "api_base": _API,
        "webhook_secret": "webhook-secret",
    },
    token_url=f"{BASE}/honda/oauth2/token",
    sign_in_url=f"{BASE}/honda/oauth2/authorize",
    asks={
        "list": ("GET", f"{_API}/vehicles", "vehicles"),
        "capabilities": ("GET", f"{_API}/vehicles/{CAR}/capabilities", "capabilities"),
        "state": ("GET", f"{_API}/vehicles/{CAR}/state", "state"),
        "act": ("POST", f"{_API}/vehicles/{CAR}/actions", "action"),
    },
    car_id=CAR,
    told={
        "hold": Told("hold", ("act",), _TIMED),
        "resume": Told("resume", ("act",), _TIMED),
        "discharge": Told("discharge", ("act",), _TIMED),
        "set_limit": Told("set_limit", ("act",), _LIMITED),
        "wake": Told("wake", ("act",), Capabilities(can_wake=True)),
    },
    lists=("list",),
    cars=(
        (2024, True, True, "3GPKHURM5RS000101"),
        (2025, False, True, ""),
        (2023, True, False, "JHLRS3H78PC000102"),
    ),
    reads=("state",),
    state={
        "soc_percent": 62.53,
        "limit_percent": 90,
        "power_w": 11_300,
        "imported_wh": 123_456,
        "charge_state": ChargeState.CHARGING,
        "place": Place(30.2672, -97.7431),
    },
    finds=("capabilities",),
    richest=_TIMED,
    secrets=("3GPKHURM5RS000101", "30.2672", "webhook-secret", "acc-7d1f"),
)
