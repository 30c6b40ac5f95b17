"""The platform's own settings with the empty view beside its addresses, and limits that a benchmark does not meet."""

from chargescape.settings import *  # noqa: F403 - what is measured runs on the platform's settings

ROOT_URLCONF = "benchmarks.web_urls"
REST_FRAMEWORK = REST_FRAMEWORK | {  # noqa: F405
    "DEFAULT_THROTTLE_RATES": {"user": "1000000/s", "writes": "1000000/s", "anonymous": "1000000/s"}
}
SECURE_SSL_REDIRECT = False
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 7_200  # the callers sign in once
