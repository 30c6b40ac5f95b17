"""What the sandbox's environment says (SANDBOX_*), typed; readable without Django's settings."""

from dataclasses import dataclass
from pathlib import Path

import environ

env = environ.Env()

SANDBOX_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.str("SANDBOX_VAR_DIR", str(SANDBOX_DIR.parent / "var" / "sandbox")))
PORT: int = env.int("SANDBOX_PORT", 8100)
SMTP_PORT: int = env.int("SANDBOX_SMTP_PORT", 8125)
PUBLIC_URL: str = env.str("SANDBOX_URL", f"http://localhost:{PORT}").rstrip("/")


@dataclass(frozen=True)
class ClientAccess:
    """The platform's registration at one pretend maker."""

    client_id: str
    client_secret: str
    redirect_uris: list[str]


def client_of(maker: str) -> ClientAccess:
    """Return how the platform is registered at `maker` (SANDBOX_<MAKER>_CLIENT_ID, _CLIENT_SECRET, _REDIRECT_URI)."""
    prefix = f"SANDBOX_{maker.upper()}"
    return ClientAccess(
        env.str(f"{prefix}_CLIENT_ID", f"chargescape-{maker}"),
        env.str(f"{prefix}_CLIENT_SECRET", "charge-the-grid"),
        env.list(f"{prefix}_REDIRECT_URI", default=[f"http://localhost:8000/cars/link/callback/{maker}/"]),
    )


def webhook_of(maker: str) -> tuple[str, str]:
    """Return where `maker` pushes and what it signs with (SANDBOX_<MAKER>_WEBHOOK_URL, _SECRET); "" = nowhere."""
    prefix = f"SANDBOX_{maker.upper()}_WEBHOOK"
    return env.str(f"{prefix}_URL", ""), env.str(f"{prefix}_SECRET", "charge-the-grid")


FORD_APPLICATION_ID: str = env.str("SANDBOX_FORD_APPLICATION_ID", "")  # "": any will do, but one must come
BMW_STREAM_PORT: int = env.int("SANDBOX_BMW_STREAM_PORT", 0)  # of the MQTT broker; 0: BMW streams nothing

# The payment processor's side
STRIPE_KEY: str = env.str("SANDBOX_STRIPE_KEY", "")
STRIPE_WEBHOOK_SECRET: str = env.str("SANDBOX_STRIPE_WEBHOOK_SECRET", "")
STRIPE_WEBHOOK_URL: str = env.str("SANDBOX_STRIPE_WEBHOOK_URL", "")
STRIPE_OPENING_MINOR: int = env.int("SANDBOX_STRIPE_OPENING_MINOR", 100_000_000)  # per currency; 0: none

# The utility's OpenADR server, and how the platform is known there
VTN_CLIENT_ID: str = env.str("SANDBOX_VTN_CLIENT_ID", "chargescape-ven")
VTN_CLIENT_SECRET: str = env.str("SANDBOX_VTN_CLIENT_SECRET", "charge-the-grid")
VTN_UTILITY_SECRET: str = env.str("SANDBOX_VTN_UTILITY_SECRET", "keep-the-lights-on")
