"""Access to each source of prices and carbon, from the environment. Public ones need no credentials."""

import environ

# By source: its own address, and what it wants to know of us.
SOURCES: dict[str, dict[str, str]] = {
    "ercot": {"api_base": "https://api.ercot.com/api/public-reports", "subscription_key": ""},
    "caiso": {"api_base": "https://oasis.caiso.com/oasisapi"},
    "nyiso": {"api_base": "http://mis.nyiso.com/public/csv"},
    "ieso": {"api_base": "https://reports-public.ieso.ca/public"},
    "watttime": {"api_base": "https://api.watttime.org", "username": "", "password": ""},
    "openei": {"api_base": "https://api.openei.org", "api_key": ""},  # tariffs; not a series
    "electricity_maps": {"api_base": "https://api.electricitymap.org", "token": ""},
}
REAL_TIME = ("ercot", "caiso", "nyiso", "ieso")  # the same operators give real-time prices at the same address


def read_access(env: environ.Env) -> dict[str, dict[str, str]]:
    """Return each source's address and credentials; `ERCOT_API_BASE` sets the api_base of ercot, and so on."""
    access = {
        source: {name: env.str(f"{source.upper()}_{name.upper()}", default) for name, default in options.items()}
        for source, options in SOURCES.items()
    }
    return access | {f"{source}_real_time": access[source] for source in REAL_TIME}
