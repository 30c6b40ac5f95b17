"""Who the owner is, and what they agreed to."""

import uuid
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Accounts(BaseUserManager["User"]):
    """Makes users: an e-mail address and a password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an owner; the address is kept in lower case."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an admin who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """An owner, an admin or a member of a utility. Signs in by e-mail."""

    class Country(models.TextChoices):
        """Where ChargeScape operates."""

        US = "US", _("United States")
        CANADA = "CA", _("Canada")

    username = None  # type: ignore[assignment]  # people sign in by e-mail
    first_name = None  # type: ignore[assignment]  # one name field serves every culture
    last_name = None  # type: ignore[assignment]
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=2, choices=Country, default=Country.US)
    time_zone = models.CharField(max_length=64, default="America/New_York")
    language = models.CharField(max_length=8, blank=True, default="")  # of settings.LANGUAGES; "" is the browser's

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[Accounts] = Accounts()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.name or f"owner {str(self.public_id)[:8]}"

    @property
    def zone(self) -> ZoneInfo:
        """The owner's own time zone, for showing times."""
        return ZoneInfo(self.time_zone)

    @property
    def currency(self) -> str:
        """The currency in which this owner is paid."""
        return {"US": "USD", "CA": "CAD"}[self.country]


class Consent(models.Model):
    """A receipt: the owner agreed to one purpose under one version of its text. Revoking closes it; history stays."""

    class Purpose(models.TextChoices):
        """What an owner can agree to, each on its own."""

        DATA_USE = "data_use", _("Read my car's charge, plug and home state")
        GRID_PARTICIPATION = "grid_participation", _("Let the grid steer my car's charging")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=32, choices=Purpose)
    version = models.CharField(max_length=16)
    language = models.CharField(max_length=8, default="en", help_text="In which the text was read.")
    text_sha256 = models.CharField(max_length=64)
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-granted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "purpose"], condition=Q(revoked_at__isnull=True), name="one_open_consent_per_purpose"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(revoked_at__gte=models.F("granted_at")),
                name="consent_revoked_after_granted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} v{self.version}"
