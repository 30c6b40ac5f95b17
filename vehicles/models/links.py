"""How an owner's account at an automaker is linked."""

import json
import uuid
from collections.abc import Mapping

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from foundation.fields import EncryptedTextField, keyed_hash
from vehicles.automakers.base import Account, LinkKind


class VehicleLink(models.Model):
    """An owner's OAuth grant at one automaker. Tokens are encrypted; expiries are wall time."""

    class State(models.TextChoices):
        """How alive the link is."""

        ACTIVE = "active", _("working")
        NEEDS_RELINK = "needs_relink", _("needs to be linked again")
        LEAVING = "leaving", _("being unlinked: held cars are released first")
        REVOKED = "revoked", _("unlinked")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vehicle_links")
    maker = models.CharField(max_length=32)
    subject_hash = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    access_token = EncryptedTextField(blank=True)
    refresh_token = EncryptedTextField(blank=True)
    secrets = EncryptedTextField(blank=True, help_text="What else the adapter needs, as a JSON object of texts.")
    access_expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    state_reason = models.CharField(max_length=40, blank=True)
    state_since_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is in this state.")
    linked_at = models.DateTimeField()
    listed_at = models.DateTimeField(null=True, blank=True, help_text="When the account's cars were last listed.")
    refreshed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed calls in a row.")
    auth_failed_at = models.DateTimeField(null=True, blank=True, help_text="Since when the grant is refused (wall).")
    quiet_until = models.DateTimeField(null=True, blank=True, help_text="No call to the maker before this wall time.")

    class Meta:
        ordering = ["-linked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "maker", "subject_hash"],
                condition=~Q(state="revoked"),
                name="one_open_link_per_owner_and_maker_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.maker} link {str(self.public_id)[:8]}"

    @property
    def extras(self) -> dict[str, str]:
        """What the maker's adapter keeps beside the tokens."""
        return dict(json.loads(self.secrets)) if self.secrets else {}

    @extras.setter
    def extras(self, extras: Mapping[str, str]) -> None:
        self.secrets = json.dumps(dict(extras)) if extras else ""

    @property
    def account(self) -> Account:
        """The account as an adapter opens it."""
        return Account(self.access_token, self.extras, tuple(self.scopes))


class LinkAttempt(models.Model):
    """A link under way: one-time `state` (hashed), PKCE verifier (encrypted), bound to user and session.

    A device code is asked about at the maker until the owner has typed it. A ticket lets an app's owner go on in the
    system browser, where nobody is signed in; what comes back there is kept until the app's own session fetches it.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="link_attempts")
    maker = models.CharField(max_length=32)
    kind = models.CharField(max_length=16, default=LinkKind.REDIRECT.value)
    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    code_verifier = EncryptedTextField(blank=True)
    expires_at = models.DateTimeField(help_text="Wall time.")
    used_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=40, blank=True, help_text="Why it came to nothing, as a key.")
    link = models.ForeignKey(VehicleLink, on_delete=models.SET_NULL, null=True, blank=True, related_name="attempts")

    device_code = EncryptedTextField(blank=True)
    user_code = EncryptedTextField(blank=True)
    verification_url = models.TextField(blank=True)
    interval_seconds = models.PositiveSmallIntegerField(default=5, help_text="The maker is asked no more often.")
    poll_at = models.DateTimeField(null=True, blank=True, help_text="When to ask the maker next (wall time).")

    ticket_hash = models.CharField(max_length=64, blank=True)
    ticket_used_at = models.DateTimeField(null=True, blank=True)
    browser_hash = models.CharField(max_length=64, blank=True, help_text="The browser that spent the ticket.")
    return_url = models.TextField(blank=True, help_text="The app's https link to which that browser goes back.")
    proof_hash = models.CharField(max_length=64, blank=True)
    answer = EncryptedTextField(blank=True, help_text="What came back from the maker, as a JSON object of texts.")

    class Meta:
        indexes = [models.Index(fields=["poll_at"], condition=Q(poll_at__isnull=False), name="link_attempt_due")]
        constraints = [
            models.UniqueConstraint(fields=["ticket_hash"], condition=~Q(ticket_hash=""), name="one_attempt_per_ticket")
        ]

    def __str__(self) -> str:
        return f"{self.maker} link attempt {self.pk}"

    @property
    def is_over(self) -> bool:
        """Whether it ended, in a link or not."""
        return self.used_at is not None

    def is_begun_in(self, session_key: str) -> bool:
        """Say whether this session began it."""
        return self.session_hash == keyed_hash(session_key)


class MakerMessage(models.Model):
    """A pushed message that was applied, so that its repeats are not. Only a keyed hash of its id is kept."""

    maker = models.CharField(max_length=32)
    event_hash = models.CharField(max_length=64)
    received_at = models.DateTimeField(db_index=True, help_text="Wall time.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["maker", "event_hash"], name="one_row_per_pushed_message")]

    def __str__(self) -> str:
        return f"message of {self.maker}"


class MakerSwitch(models.Model):
    """An admin's hand on one automaker, and how it fares. No row means on and well."""

    maker = models.CharField(max_length=32, unique=True)
    is_on = models.BooleanField(default=True, help_text="Off: no car is read, held or discharged; holds are released.")
    reason = models.CharField(max_length=120, blank=True)
    quiet_until = models.DateTimeField(null=True, blank=True, help_text="An outage: no call before this wall time.")
    hourly_budget = models.PositiveIntegerField(
        null=True, blank=True, help_text="Most calls an hour for all owners together; empty: as many as cars need."
    )

    class Meta:
        verbose_name_plural = "maker switches"

    def __str__(self) -> str:
        return f"{self.maker} {'on' if self.is_on else 'off'}"
