"""Access to each automaker, from the environment. A maker without a client id is not offered to owners."""

from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# The makers' own addresses: what production uses unless the environment says otherwise. "" = known to partners only.
ADDRESSES: dict[str, dict[str, str]] = {
    "ford": {
        "authorize_url": "https://fordconnect.cv.ford.com/common/login/",
        "token_url": "https://dah2vb2cprod.b2clogin.com/914d88b1-3523-4bf6-9be4-1b96b4f6f919/oauth2/v2.0/token"
        "?p=B2C_1A_signup_signin_common",
        "revoke_url": "",
        "api_base": "https://api.mps.ford.com/api/fordconnect/v3",
        "partner_api_base": "",  # our partner extension: timed holds, discharge
        "application_id": "",
    },
    "bmw": {
        "device_code_url": "https://customer.bmwgroup.com/gcdm/oauth/device/code",
        "token_url": "https://customer.bmwgroup.com/gcdm/oauth/token",
        "api_base": "https://api-cardata.bmwgroup.com",
        "stream_host": "customer.streaming-cardata.bmwgroup.com",
        "stream_port": "9000",
        "stream_ca_file": "",  # "": the system's authorities
    },
    "honda": {
        "authorize_url": "",
        "token_url": "",
        "revoke_url": "",
        "api_base": "",
        "webhook_secret": "",
    },
    "tesla": {
        "authorize_url": "https://auth.tesla.com/oauth2/v3/authorize",
        "token_url": "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token",
        "revoke_url": "",
        "api_base": "https://fleet-api.prd.na.vn.cloud.tesla.com",
        "command_base": "",  # the signing proxy that holds our virtual key; "": the same as api_base
    },
    "gm": {
        "authorize_url": "",
        "token_url": "",
        "revoke_url": "",
        "api_base": "",
    },
    "smartcar": {
        "connect_url": "https://connect.smartcar.com/oauth/authorize",
        "token_url": "https://iam.smartcar.com/oauth2/token",
        "vehicle_base": "https://vehicle.api.smartcar.com/v3",
        "management_base": "https://management.api.smartcar.com/v3",
        "management_token": "",
        "mode": "live",
    },
    "homebox": {  # a bidirectional wall box at home, by our own partner contract with its maker
        "authorize_url": "",
        "token_url": "",
        "revoke_url": "",
        "api_base": "",
    },
}


def read_access(env: environ.Env) -> dict[str, dict[str, str]]:
    """Return each maker's addresses and credentials; `FORD_TOKEN_URL` sets the token_url of ford, and so on."""
    return {
        maker: {
            name: env.str(f"{maker.upper()}_{name.upper()}", default)
            for name, default in {**addresses, "client_id": "", "client_secret": ""}.items()
        }
        for maker, addresses in ADDRESSES.items()
    }


def sign_in_pages(access: dict[str, dict[str, str]]) -> list[str]:
    """Return where our forms may send the browser on to: the sign-in pages of the makers in use."""
    pages = [maker.get("authorize_url") or maker.get("connect_url") or "" for maker in access.values()]
    return [page for page in pages if page]


def read_return_urls(env: environ.Env) -> list[str]:
    """Return the https links of apps from which a link may begin; raises ImproperlyConfigured for any other address.

    Another app can claim a custom scheme, so only an https link (or this very machine) is proven to be the app's own.
    """
    urls: list[str] = env.list("LINK_RETURN_URLS", default=[])
    for url in urls:
        parts = urlsplit(url)
        is_own = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"})
        if not is_own or not parts.netloc or parts.query or parts.fragment:
            raise ImproperlyConfigured(f"LINK_RETURN_URLS: {url!r} is no plain https link of an app.")
    return urls
