"""Django's settings of the sandbox; what its environment says stands in config.py. It listens on loopback alone."""

from typing import Any
from urllib.parse import urlsplit

from sandbox.world.config import PUBLIC_URL, VAR_DIR
from sandbox.world.keys import load_or_make_keys

# The installation
KEYS = load_or_make_keys(VAR_DIR)
SECRET_KEY = KEYS["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = sorted({"localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or "localhost"})
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# What the sandbox is made of
INSTALLED_APPS = [
    "sandbox.world",
    "sandbox.cars",
    "sandbox.makers",
    "sandbox.makers.dialects.bmw",
    "sandbox.feeds",
    "sandbox.mailbox",
    "sandbox.stripe",
    "sandbox.vtn",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.idp.oidc",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "sandbox.world.urls"
APPEND_SLASH = False
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sandbox.world.context.world_clock",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "sandbox.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}

# Maker accounts sign in here; the cookies' names keep them apart from the platform's on the same host
PASSWORD_HASHERS = ["sandbox.world.hashers.QuickHasher"]
LOGIN_URL = "/ford/sign-in"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_NAME = "sandbox_session"
CSRF_COOKIE_NAME = "sandbox_csrf"
ACCOUNT_EMAIL_VERIFICATION = "none"

# The OAuth2 server (allauth.idp.oidc): lifetimes as Ford's, in real seconds; other makers' in `sandbox.makers.makers`
IDP_OIDC_PRIVATE_KEY = KEYS["OIDC_PRIVATE_KEY"]
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 20 * 60
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = 90 * 24 * 3600
IDP_OIDC_AUTHORIZATION_CODE_EXPIRES_IN = 120
IDP_OIDC_ROTATE_REFRESH_TOKEN = True
IDP_OIDC_AUTH_METHODS = ["client_secret_post", "client_secret_basic", "none"]  # none: public clients alone
IDP_OIDC_DEVICE_CODE_EXPIRES_IN = 300
IDP_OIDC_DEVICE_CODE_INTERVAL = 5

# Language, time and files
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
X_FRAME_OPTIONS = "DENY"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "sandbox %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}},
}
