"""Every setting, read from the environment with a type and a safe default. README.md lists them."""

from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from chargescape import makers, sources
from chargescape.celery import timetable
from chargescape.databases import postgres_options
from chargescape.embedded import load_or_make_keys

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("VAR_DIR", str(BASE_DIR / "var")))
KEYS = {} if env.str("SECRET_KEY", "") else load_or_make_keys(VAR_DIR)

# The installation
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", KEYS.get("SECRET_KEY", ""))
FIELD_ENCRYPTION_KEYS: list[str] = env.list("FIELD_ENCRYPTION_KEYS", default=[KEYS.get("FIELD_ENCRYPTION_KEYS", "")])
FIELD_HASH_KEY = env.str("FIELD_HASH_KEY", KEYS.get("FIELD_HASH_KEY", ""))
PUBLIC_URL = env.str("PUBLIC_URL", "http://localhost:8000")
IS_HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname or "localhost"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CLOCK_ANCHOR_FILE = env.str("CLOCK_ANCHOR_FILE", "")
DEMO_SANDBOX_URL = env.str("DEMO_SANDBOX_URL", "")  # shown as links to the demo's outside world; "" in production

# What the platform is made of
INSTALLED_APPS = [
    "chargescape.apps.ChargescapeConfig",
    "grid.apps.GridConfig",
    "vehicles.apps.VehiclesConfig",
    "rewards.apps.RewardsConfig",
    "accounts.apps.AccountsConfig",
    "foundation.apps.FoundationConfig",
    "chargescape.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "allauth.usersessions",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "simple_history",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "foundation.caching.NothingPersonalKept",
    "accounts.languages.OwnerLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]
ROOT_URLCONF = "chargescape.urls"
WSGI_APPLICATION = "chargescape.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chargescape.shell.shell",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Database: SQLite is embedded, PostgreSQL the production shape
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'chargescape.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=27103364;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", 60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = postgres_options(DATABASES["default"])

# Broker and cache
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "redis://localhost:6379/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 30
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 90,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = timetable(env.float("SWEEP_SECONDS", 5.0))  # one tick, wall time
CACHES: dict[str, dict[str, Any]] = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
# Rendered pages and answers, apart from what is counted: many large entries, each for a minute or two
CACHES["pages"] = CACHES["default"] | {"KEY_PREFIX": "pages"}
if CACHES["pages"]["BACKEND"].endswith("LocMemCache"):
    CACHES["pages"] |= {"LOCATION": "pages", "OPTIONS": {"MAX_ENTRIES": env.int("KEPT_PAGES", 3_000)}}

# People: sign-in, second factor, apps
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # who found a browser open shall not move the account to their own address
ACCOUNT_EMAIL_SUBJECT_PREFIX = "ChargeScape: "
ALLAUTH_TRUSTED_PROXY_COUNT = int(env.bool("BEHIND_TLS_PROXY", False))  # else everybody would share one rate limit
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS  # browsers allow passkeys on http://localhost alone
MFA_TOTP_ISSUER = "ChargeScape"
ADMIN_NEEDS_SECOND_FACTOR = env.bool("ADMIN_NEEDS_SECOND_FACTOR", True)  # off in the demo: a look costs no set-up
MFA_TOTP_TOLERANCE = 1  # one step either way: phones run a little off, and a code typed at its end still counts
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
USERSESSIONS_TRACK_ACTIVITY = False  # else each page view writes a row
HEADLESS_ONLY = False
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"  # noqa: S105 - a class path
HEADLESS_JWT_PRIVATE_KEY = env.str("HEADLESS_JWT_PRIVATE_KEY", KEYS.get("HEADLESS_JWT_PRIVATE_KEY", "")).replace(
    "\\n", "\n"
)
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
SESSION_COOKIE_NAME = "chargescape_session"
CSRF_COOKIE_NAME = "chargescape_csrf"

# The API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication",
        "allauth.headless.contrib.rest_framework.authentication.XSessionTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["chargescape.api.parsing.JSONBody"],
    "DEFAULT_PAGINATION_CLASS": "chargescape.api.paging.NewestFirst",
    "DEFAULT_THROTTLE_CLASSES": [
        f"chargescape.api.throttles.{name}" for name in ("CallsPerUser", "WritesPerUser", "CallsPerAddress")
    ],
    "DEFAULT_THROTTLE_RATES": {
        "user": env.str("API_RATE_PER_USER", "600/min"),
        "writes": env.str("API_WRITES_PER_USER", "120/min"),
        "anonymous": env.str("API_RATE_ANONYMOUS", "60/min"),
    },
    "NUM_PROXIES": ALLAUTH_TRUSTED_PROXY_COUNT,  # else anybody could name another address
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chargescape.api.problems.answer_exception",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ChargeScape API",
    "DESCRIPTION": "Everything an owner can do on the web: cars, plans, events, earnings, payouts.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "OAS_VERSION": "3.1.1",
    "ENUM_NAME_OVERRIDES": {
        "EventKindEnum": "grid.models.GridEvent.Kind",
        "InvoiceStateEnum": "grid.models.Invoice.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "chargescape.api.schema.complete",
    ],
}

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr-ca", "Français (Canada)"), ("es", "Español")]  # each in its own words
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "chargescape_language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SECURE = IS_HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# Files
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# E-mail
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "ChargeScape <hello@chargescape.example>")

# Web push: the key that push services know us by (RFC 8292), and whom they may write to about it. Without it: no push.
VAPID_PRIVATE_KEY = env.str("VAPID_PRIVATE_KEY", KEYS.get("VAPID_PRIVATE_KEY", ""))
VAPID_CONTACT = env.str("VAPID_CONTACT", f"mailto:{parseaddr(DEFAULT_FROM_EMAIL)[1]}")
PUSH_EXTRA_ORIGINS: list[str] = env.list("PUSH_EXTRA_ORIGINS", default=[])  # besides the browsers' own services

# Security
SECURE_SSL_REDIRECT = IS_HTTPS
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The outside world: automakers, feeds, payments. A maker without a client id is not offered to owners.
AUTOMAKERS: dict[str, dict[str, str]] = makers.read_access(env)
LINK_RETURN_URLS: list[str] = makers.read_return_urls(env)
# How many calls to makers one worker process has under way; each takes a thread and a database connection meanwhile
MAKER_CALLS_AT_ONCE = env.int("MAKER_CALLS_AT_ONCE", 32)
FEEDS: dict[str, dict[str, str]] = sources.read_access(env)
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
PAYOUT_INTERVAL = timedelta(hours=env.int("PAYOUT_INTERVAL_HOURS", 24))
PAYOUT_SENDERS = env.int("PAYOUT_SENDERS", 8)  # calls to the processor that one sweep keeps under way at once
# Payouts above this, or this many times the owner's usual one (from the floor on), wait for two people; minor units
PAYOUT_APPROVAL_MINOR = env.int("PAYOUT_APPROVAL_MINOR", 50_000)
PAYOUT_UNUSUAL_FACTOR = env.int("PAYOUT_UNUSUAL_FACTOR", 5)
PAYOUT_UNUSUAL_FLOOR_MINOR = env.int("PAYOUT_UNUSUAL_FLOOR_MINOR", 10_000)

# What plans weigh besides the energy bill, in millionths of the site's currency
CARBON_PRICE_MICROS_PER_KG = env.int("CARBON_PRICE_MICROS_PER_KG", 50_000)
V2G_MAKES: list[str] = env.list("V2G_MAKES", default=[])  # makes that let a wall box take energy from their cars
V2G_WEAR_MICROS_PER_KWH = env.int("V2G_WEAR_MICROS_PER_KWH", 40_000)
UTILITY_SMALLEST_GROUP = env.int("UTILITY_SMALLEST_GROUP", 5)  # of fewer cars a utility reads rounded sums alone

# Hosts that a form of ours may send the browser on to (the maker's sign-in, the processor's onboarding)
_FORM_TARGETS = sorted(
    {
        f"{part.scheme}://{part.netloc}"
        for part in map(
            urlsplit,
            makers.sign_in_pages(AUTOMAKERS) + env.list("ONBOARDING_ORIGINS", default=["https://connect.stripe.com"]),
        )
    }
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF, *_FORM_TARGETS],
        "frame-ancestors": [NONE],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "foundation.logs.RedactPersonal"}},
    "formatters": {"line": {"()": "foundation.logs.line_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redact"]}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "stripe": {"level": "WARNING"},  # foundation.http already logs each call, without its path
    },
}
