"""Ford: FordConnect's recordings and those of our partner extension."""

from tests.vehicles.automakers.kits.base import BASE, Kit, Told
from tests.vehicles.maker_double import credentials
from vehicles.automakers.base import Capabilities, ChargeState, HoldEnds, Place

CAR = "918ed353ee060391de06cbdaccdafe5a"
OTHER_CAR = "dfdd5800544ca750061800f671470817"
_API, _PARTNER = f"{BASE}/ford/api/fordconnect/v3", f"{BASE}/ford/partner/v1"
_START_STOP = Capabilities(can_start_stop=True, hold_ends=HoldEnds.START_STOP)
_TIMED = Capabilities(can_start_stop=True, hold_ends=HoldEnds.TIMED, max_discharge_w=9600)

KIT = Kit(
    slug="ford",
    credentials=credentials(BASE),
    token_url=f"{BASE}/ford/oauth2/token",
    asks={
        "list": ("GET", f"{_API}/vehicles", "vehicles"),
        "vin": ("GET", f"{_API}/vehicles/{CAR}/vin", "vin"),
        "state": ("GET", f"{_API}/vehicles/{CAR}", "vehicle"),
        "fine_state": ("GET", f"{_PARTNER}/vehicles/{CAR}/telemetry", "telemetry"),
        "capabilities": ("GET", f"{_PARTNER}/vehicles/{CAR}/capabilities", "capabilities"),
        "stop": ("POST", f"{_API}/vehicles/{CAR}/stopCharge", "command"),
        "start": ("POST", f"{_API}/vehicles/{CAR}/startCharge", "command"),
        "wake": ("POST", f"{_API}/vehicles/{CAR}/status", "command"),
        "setpoint": ("POST", f"{_PARTNER}/vehicles/{CAR}/setpoint", "setpoint"),
        "release": ("DELETE", f"{_PARTNER}/vehicles/{CAR}/setpoint", "setpoint"),
    },
    car_id=CAR,
    told={
        "stop": Told("hold", ("stop",), _START_STOP),
        "start": Told("resume", ("start",), _START_STOP),
        "hold": Told("hold", ("setpoint",), _TIMED),
        "release": Told("resume", ("release",), _TIMED, is_noop_when_gone=True),
        "discharge": Told("discharge", ("setpoint",), _TIMED),
        "wake": Told("wake", ("wake",), _START_STOP),
    },
    lists=("list", "vin"),
    lists_extra=(("GET", f"{_API}/vehicles/{OTHER_CAR}/vin", 403),),
    cars=((2024, True, True, "1FT6W3L72RWG00001"), (2024, True, True, ""), (2021, False, False, "")),
    reads=("state", "fine_state"),
    state={
        "soc_percent": 62.53,
        "power_w": 11_300,
        "imported_wh": 123_456,
        "charge_state": ChargeState.CHARGING,
        "place": Place(30.2672, -97.7431),
    },
    finds=("capabilities",),
    richest=_TIMED,
    sign_in_url=credentials(BASE)["authorize_url"],
    longest_state=16,
    secrets=("1FT6W3L72RWG00001", "30.2672"),
)
