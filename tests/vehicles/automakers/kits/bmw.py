"""BMW: recordings shaped by CarData's OpenAPI files and telematics catalogue; invented cars, account and places."""

from tests.vehicles.automakers.kits.base import BASE, Kit, recording
from vehicles.automakers.base import Capabilities, ChargeState, LinkKind, Place

CAR = "WBA73AW02RFP00001"
SECOND_HAND_CAR = "WB523CF04RCN00002"  # its owner is not the primary user
PETROL_CAR = "WBS12AA03NFZ00003"
CONTAINER = "S00I000M002CS"
_API = f"{BASE}/bmw/customers"
_TOKEN = recording("bmw", "token")

KIT = Kit(
    slug="bmw",
    credentials={
        "device_code_url": f"{BASE}/bmw/gcdm/oauth/device/code",
        "token_url": f"{BASE}/bmw/gcdm/oauth/token",
        "api_base": f"{BASE}/bmw",
        "stream_host": "stream.maker.test",
        "stream_port": "9000",
        "stream_ca_file": "",
        "client_id": "client-one",
        "client_secret": "secret-one",
    },
    token_url=f"{BASE}/bmw/gcdm/oauth/token",
    link_kind=LinkKind.DEVICE_CODE,
    has_secret=False,
    token_seconds=3599,
    asks={
        "device_code": ("POST", f"{BASE}/bmw/gcdm/oauth/device/code", "device_code"),
        "list": ("GET", f"{_API}/vehicles/mappings", "mappings"),
        "car": ("GET", f"{_API}/vehicles/{CAR}/basicData", "basic_data"),
        "petrol_car": ("GET", f"{_API}/vehicles/{PETROL_CAR}/basicData", "basic_data_petrol"),
        "state": ("GET", f"{_API}/vehicles/{CAR}/telematicData", "telematic_data"),
        "containers": ("GET", f"{_API}/containers", "containers"),
        "container": ("POST", f"{_API}/containers", "container"),
    },
    car_id=CAR,
    told={},  # no command of any kind
    lists=("list", "car", "petrol_car"),
    cars=(
        (2024, True, True, CAR),
        (2024, False, True, SECOND_HAND_CAR),
        (2022, True, False, PETROL_CAR),
    ),
    reads=("state",),
    state={
        "soc_percent": 63.0,
        "limit_percent": 80.0,
        "range_km": 190 * 1.609344,
        "is_plugged_in": True,
        "charge_state": ChargeState.CHARGING,
        "power_w": 10_850,
        "place": Place(40.7128, -74.006),
        "imported_wh": None,
        "is_asleep": None,
    },
    finds=(),
    richest=Capabilities(link_kind=LinkKind.DEVICE_CODE),
    extras={"container_id": CONTAINER, "gcid": _TOKEN["gcid"], "id_token": _TOKEN["id_token"]},
    scopes=tuple(_TOKEN["scope"].split()),
    secrets=(CAR, "40.7128", _TOKEN["gcid"], _TOKEN["id_token"], "the-device-code"),
)
