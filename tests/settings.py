"""Settings of the suite: the platform's own, with throw-away keys, quick hashing and no outside world configured."""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

_FOLDER = Path(tempfile.mkdtemp(prefix="chargescape-tests-"))
os.environ["VAR_DIR"] = str(_FOLDER)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{_FOLDER / 'tests.sqlite3'}")
for _name in ("CLOCK_ANCHOR_FILE", "DEMO_SANDBOX_URL", "STRIPE_API_KEY", "EMAIL_URL", "SECRET_KEY"):
    os.environ.pop(_name, None)

from chargescape.settings import *  # noqa: E402, F403 - the suite runs on the platform's settings
from foundation.catalogues import compile_changed  # noqa: E402 - as above

compile_changed()  # so that `pytest` alone speaks every language, whoever changed a translation last

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as in production: threads and child processes share it, which an in-memory database does not allow.
    DATABASES["default"]["TEST"] = {"NAME": str(_FOLDER / "test_tests.sqlite3")}  # noqa: F405
else:
    del DATABASES["default"]["OPTIONS"]["options"]  # noqa: F405 - many tests are one transaction, however long they take
FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; no test password protects anything
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_BROKER_URL = "memory://"  # no test sends through it: sweeps are called, processes are started with a real broker
ACCOUNT_RATE_LIMITS = False
ADMIN_NEEDS_SECOND_FACTOR = False  # the tests of the admin's door say so where they need it
WHITENOISE_AUTOREFRESH = True
PAYOUT_SENDERS = 1  # in the test's own thread, which alone sees its transaction; the tests of several threads say so
