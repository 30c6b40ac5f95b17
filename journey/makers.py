"""Where each pretend automaker stands in the sandbox, for the environment of both sides.

A new maker is one line in _PATHS: its addresses by the names that `chargescape.makers` gives them.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

_OAUTH = {"authorize_url": "oauth2/authorize", "token_url": "oauth2/token", "revoke_url": "oauth2/revoke"}
_PATHS: dict[str, dict[str, str]] = {
    "ford": {**_OAUTH, "api_base": "api/fordconnect/v3", "partner_api_base": "partner/v1"},
    "bmw": {"device_code_url": "gcdm/oauth/device/code", "token_url": "gcdm/oauth/token", "api_base": "cardata"},
    "tesla": {**_OAUTH, "api_base": "", "command_base": "proxy"},
    "gm": {**_OAUTH, "api_base": "partner/v1"},
    "honda": {**_OAUTH, "api_base": "partner/v1"},
    "smartcar": {
        "connect_url": "connect/authorize",
        "token_url": "oauth2/token",
        "vehicle_base": "vehicle/v3",
        "management_base": "management/v3",
    },
    "homebox": {**_OAUTH, "api_base": "partner/v1"},
}
# Settings that are no addresses.
_PLAIN: dict[str, dict[str, str]] = {"ford": {"application_id": "chargescape-demo"}, "smartcar": {"mode": "live"}}
# What a maker signs its webhooks with, by the setting that the platform keeps it in.
_SIGNED_WITH = {"honda": "webhook_secret", "smartcar": "management_token"}


def client_id(maker: str) -> str:
    """Return the platform's name at the maker; no two share one, and Ford's is older than the others."""
    return "chargescape" if maker == "ford" else f"chargescape-{maker}"


def addresses(world: str) -> dict[str, dict[str, str]]:
    """Return each maker's addresses in the sandbox at `world`, by setting."""
    found = {}
    for maker, paths in _PATHS.items():
        base = f"{world}/{maker}"
        found[maker] = {name: f"{base}/{path}".rstrip("/") for name, path in paths.items()} | _PLAIN.get(maker, {})
    return found


def platform_access(world: str, *, client_secret: str, webhook_secret: str) -> dict[str, dict[str, str]]:
    """Return each maker's addresses and credentials as the platform's settings hold them."""
    return {
        maker: paths
        | {"client_id": client_id(maker), "client_secret": client_secret}
        | ({_SIGNED_WITH[maker]: webhook_secret} if maker in _SIGNED_WITH else {})
        for maker, paths in addresses(world).items()
    }


def platform_environment(world: str, *, client_secret: str, webhook_secret: str) -> dict[str, str]:
    """Return the platform's environment for every maker in the sandbox."""
    access = platform_access(world, client_secret=client_secret, webhook_secret=webhook_secret)
    return _by_name("", access)


def sandbox_environment(web: str, *, client_secret: str, webhook_secret: str) -> dict[str, str]:
    """Return the sandbox's environment: the platform at `web` as a client of every maker, and as a listener."""
    sides: dict[str, dict[str, str]] = {}
    for maker in _PATHS:
        sides[maker] = {
            "client_id": client_id(maker),
            "client_secret": client_secret,
            "redirect_uri": f"{web}/cars/link/callback/{maker}/",
        }
        if maker in _SIGNED_WITH:
            sides[maker] |= {"webhook_url": f"{web}/webhooks/makers/{maker}/", "webhook_secret": webhook_secret}
    return _by_name("SANDBOX_", sides)


def has_broker() -> bool:
    """Return whether Mosquitto is here, without which no pretend maker streams; Debian keeps it out of users' path."""
    return bool(shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin"))


def stream_environment(port: int, *, sandbox_folder: Path) -> dict[str, str]:
    """Return where the platform hears BMW's stream; nowhere where there is no broker."""
    if not has_broker():
        return {"BMW_STREAM_HOST": ""}
    ca_file = str(sandbox_folder / "bmw-stream" / "ca.pem")
    return {"BMW_STREAM_HOST": "localhost", "BMW_STREAM_PORT": str(port), "BMW_STREAM_CA_FILE": ca_file}


def _by_name(prefix: str, makers: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"{prefix}{maker.upper()}_{name.upper()}": value
        for maker, values in makers.items()
        for name, value in values.items()
    }
