"""Settings of a watchdog on a host of its own: its own database role and maker credentials; no Celery, no broker.

`DJANGO_SETTINGS_MODULE=chargescape.watchdog_settings python manage.py watchdog`. It reads WATCHDOG_DATABASE_URL
(else DATABASE_URL), the field keys, and for each maker WATCHDOG_FORD_CLIENT_ID and so on before FORD_CLIENT_ID.
"""

from typing import Any

import environ

from chargescape import makers
from chargescape.databases import postgres_options

env = environ.Env()
SECRET_KEY = env.str("WATCHDOG_SECRET_KEY", "a watchdog signs nothing")
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "vehicles.apps.VehiclesConfig",
    "accounts.apps.AccountsConfig",
    "foundation.apps.FoundationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("WATCHDOG_DATABASE_URL", default=env.str("DATABASE_URL", "sqlite:///:memory:"))
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = postgres_options(DATABASES["default"])
FIELD_ENCRYPTION_KEYS: list[str] = env.list("FIELD_ENCRYPTION_KEYS")
FIELD_HASH_KEY = env.str("FIELD_HASH_KEY")
CLOCK_ANCHOR_FILE = env.str("CLOCK_ANCHOR_FILE", "")
PUBLIC_URL = env.str("PUBLIC_URL", "http://localhost:8000")
V2G_MAKES: list[str] = env.list("V2G_MAKES", default=[])
MAKER_CALLS_AT_ONCE = env.int("MAKER_CALLS_AT_ONCE", 16)
AUTOMAKERS: dict[str, dict[str, str]] = {
    maker: {name: env.str(f"WATCHDOG_{maker.upper()}_{name.upper()}", value) for name, value in values.items()}
    for maker, values in makers.read_access(env).items()
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "foundation.logs.RedactPersonal"}},
    "formatters": {"line": {"()": "foundation.logs.line_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redact"]}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
}
