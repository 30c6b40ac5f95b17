"""Every automaker whose cloud stands here: one line each, and a package in `dialects/` with its addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from allauth.idp.oidc.models import Client

DEVICE = (Client.GrantType.DEVICE_CODE, Client.GrantType.REFRESH_TOKEN)
CODE = (Client.GrantType.AUTHORIZATION_CODE, Client.GrantType.REFRESH_TOKEN)


@dataclass(frozen=True)
class MakerSpec:
    """What a maker is called, which scopes it knows, by which grants it lets a client in, and its tokens' ways."""

    name: str
    scopes: tuple[str, ...] = ("access",)
    grant_types: tuple[str, ...] = CODE
    choices: Mapping[str, str] = field(default_factory=dict)  # scopes that the owner may untick, with what they mean
    access_seconds: int = 20 * 60  # lifetimes in real seconds
    refresh_seconds: int = 90 * 24 * 3600
    has_jwt_tokens: bool = False  # access tokens are JWTs that name the granted scopes (`scp`)
    dead_refresh: tuple[int, str] = (400, "invalid_grant")  # how a refresh token that is used up is refused
    is_public: bool = False  # its clients have no secret
    calls_per_dollar: Mapping[str, int] = field(default_factory=dict)  # by kind of call, where the maker bills them
    account_field: str = ""  # where its token answer names the account
    shares_boxes: bool = False  # owners share wall boxes instead of cars


MAKERS: dict[str, MakerSpec] = {
    "ford": MakerSpec("Ford"),
    "bmw": MakerSpec(
        "BMW",
        scopes=("authenticate_user", "openid", "cardata:api:read", "cardata:streaming:read"),
        grant_types=DEVICE,
        choices={"cardata:streaming:read": "Be told at once when a value changes"},
        access_seconds=3600,
        refresh_seconds=14 * 24 * 3600,
        is_public=True,
    ),
    "tesla": MakerSpec(
        "Tesla",
        scopes=(
            "openid",
            "offline_access",
            "vehicle_device_data",
            "vehicle_location",
            "vehicle_cmds",
            "vehicle_charging_cmds",
        ),
        choices={
            "vehicle_device_data": "Vehicle information",
            "vehicle_location": "Vehicle location",
            "vehicle_cmds": "Vehicle commands",
            "vehicle_charging_cmds": "Vehicle charging management",
        },
        access_seconds=8 * 3600,
        has_jwt_tokens=True,
        dead_refresh=(401, "login_required"),
        calls_per_dollar={"commands": 1000, "data": 500, "wakes": 50},
    ),
    "gm": MakerSpec(
        "GM",
        scopes=("vehicle.read", "vehicle.charge"),
        choices={"vehicle.charge": "Start and stop charging"},
        access_seconds=3600,
    ),
    "honda": MakerSpec(
        "Honda",
        scopes=("vehicle.state", "vehicle.location", "vehicle.actions"),
        choices={"vehicle.location": "See where the car is", "vehicle.actions": "Hold, discharge and resume charging"},
        account_field="account_id",
    ),
    "smartcar": MakerSpec(
        "Smartcar", scopes=("read",), grant_types=(Client.GrantType.CLIENT_CREDENTIALS,), access_seconds=3600
    ),
    "homebox": MakerSpec(
        "Home wall box",
        scopes=("box.read", "box.control"),
        choices={"box.control": "Set the power of the box"},
        account_field="account_id",
        shares_boxes=True,
    ),
}
