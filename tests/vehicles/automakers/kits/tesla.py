"""Tesla: recordings of the Fleet API; commands go to another address, where the signing proxy is."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told, recording
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Place
from vehicles.automakers.tesla_answers import SCOPES, capabilities_under

CAR = "5YJ3E1EA5RF000001"
_API, _PROXY = f"{BASE}/api/1", "https://proxy.test/api/1"
_COMMAND = f"{_PROXY}/vehicles/{CAR}/command"
_ALL = capabilities_under(SCOPES)
_LIMITED = Capabilities(set_limit_percent=(50, 100, 1))

CREDENTIALS = {
    "client_id": "client-one",
    "client_secret": "secret-one",
    "authorize_url": f"{BASE}/oauth2/v3/authorize",
    "token_url": f"{BASE}/oauth2/v3/token",
    "revoke_url": "",
    "api_base": BASE,
    "command_base": "https://proxy.test",
}
KIT = Kit(
    slug="tesla",
    credentials=CREDENTIALS,
    token_url=f"{BASE}/oauth2/v3/token",
    sign_in_url=f"{BASE}/oauth2/v3/authorize",
    asks={
        "list": ("GET", f"{_API}/vehicles", "vehicles"),
        "data": (
            "GET",
            f"{_API}/vehicles/{CAR}/vehicle_data?endpoints=charge_state%3Blocation_data",
            "vehicle_data",
        ),
        "add": ("POST", f"{_COMMAND}/add_charge_schedule", "command"),
        "stop": ("POST", f"{_COMMAND}/charge_stop", "command"),
        "start": ("POST", f"{_COMMAND}/charge_start", "command"),
        "remove": ("POST", f"{_COMMAND}/remove_charge_schedule", "command"),
        "limit": ("POST", f"{_COMMAND}/set_charge_limit", "command"),
        "wake": ("POST", f"{_PROXY}/vehicles/{CAR}/wake_up", "wake"),
    },
    car_id=CAR,
    told={
        "hold": Told("hold", ("add", "stop"), _ALL, has_command_id=False),
        "resume": Told("resume", ("start", "remove"), _ALL, has_command_id=False),
        "resume_without_schedule": Told(
            "resume",
            ("start",),
            Capabilities(can_start_stop=True, hold_ends=HoldEnds.NONE),
            has_command_id=False,
        ),
        "set_limit": Told("set_limit", ("limit",), _LIMITED, has_command_id=False),
        "wake": Told("wake", ("wake",), _ALL, has_command_id=False),
    },
    lists=("list",),
    cars=((2024, True, True, CAR), (2024, True, True, "7SAYGDEE8RF000002")),
    reads=("data",),
    state={
        "soc_percent": 62,
        "limit_percent": 80,
        "range_km": 362.6,
        "power_w": 11_327,
        "charge_state": ChargeState.CHARGING,
        "is_plugged_in": True,
        "imported_wh": None,
        "place": Place(37.8044, -122.2712),
    },
    finds=(),
    richest=_ALL,
    access_token=recording("tesla", "token")["access_token"],
    token_seconds=28_800,
    scopes=SCOPES,
    secrets=(CAR, "7SAYGDEE8RF000002", "37.8044", recording("tesla", "token")["access_token"]),
    has_key=False,
)
