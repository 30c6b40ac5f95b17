"""What owners were told, how it reaches them, and what they want of it."""

import uuid
from datetime import datetime, time
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models.people import User
from accounts.notice_kinds import EMAIL, IN_APP, PUSH
from foundation.fields import EncryptedTextField


class Notices(models.QuerySet["Notice"]):
    """What a page shows."""

    def shown_to(self, user: User | int) -> "Notices":
        """Return the user's (or their key's) notices, without the kinds that they do not want to see in the app."""
        unwanted = NoticeSwitch.objects.filter(user=user, channel=IN_APP, is_on=False).values("kind")
        return self.filter(user=user).exclude(kind__in=unwanted)

    def unread(self) -> "Notices":
        """Return those that were not read yet."""
        return self.filter(read_at__isnull=True)


class Notice(models.Model):
    """Something the owner should know; told once per `key`. Its words are chosen when it is read: kind and `params`."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120)
    params = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    emailed_at = models.DateTimeField(null=True, blank=True)
    routed_at = models.DateTimeField(null=True, blank=True, help_text="When it was decided how it goes out.")

    objects = Notices.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(routed_at__isnull=True), name="notice_due_routing"),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_notice_per_key")]

    def __str__(self) -> str:
        return self.kind


class NoticeSettings(models.Model):
    """When an owner wants to be left alone, and whether e-mails come together once a day. No row: the defaults."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notice_settings")
    has_quiet_hours = models.BooleanField(default=True)
    quiet_from_local = models.TimeField(default=time(22))
    quiet_until_local = models.TimeField(default=time(7))
    has_digest = models.BooleanField(default=False)
    digest_at_local = models.TimeField(default=time(18))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(quiet_from_local=F("quiet_until_local")), name="quiet_hours_end")
        ]

    def __str__(self) -> str:
        return f"notices of {self.user}"


class NoticeSwitch(models.Model):
    """An owner's own word on one kind and channel; without one the kind's default counts."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notice_switches")
    kind = models.CharField(max_length=40)
    channel = models.CharField(max_length=8)
    is_on = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind", "channel"], name="one_switch_per_channel")]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {'on' if self.is_on else 'off'}"


class PushDevice(models.Model):
    """A browser that wants to be told. Who knows its endpoint may write to it, so it is kept like a password."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="push_devices")
    endpoint = EncryptedTextField()
    endpoint_hash = models.CharField(max_length=64, unique=True)
    p256dh = models.CharField(max_length=100, help_text="The browser's public key, base64url.")
    auth = EncryptedTextField(help_text="The browser's secret, base64url.")
    name = models.CharField(max_length=60, blank=True, help_text="As the owner recognises it.")
    created_at = models.DateTimeField(help_text="Wall time.")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or "a browser"


class NoticeDelivery(models.Model):
    """One notice on its way out by one channel: at most one e-mail a notice, at most one push a notice and device.

    `due_at` and `expires_at` are simulated time, `retry_at` and `lease_until` wall time.
    """

    class Channel(models.TextChoices):
        """How it goes out."""

        EMAIL = EMAIL, "e-mail"
        PUSH = PUSH, "push"

    class State(models.TextChoices):
        """How far it came."""

        DUE = "due", "waiting"
        SENT = "sent", "sent"
        LATE = "late", "left out: no news any more"
        FAILED = "failed", "given up"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel)
    device = models.ForeignKey(PushDevice, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    is_digest = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State, default=State.DUE)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["-due_at"]
        verbose_name_plural = "notice deliveries"
        indexes = [
            models.Index(fields=["channel", "is_digest", "due_at"], condition=Q(state="due"), name="delivery_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["notice"], condition=Q(channel="email"), name="one_email_per_notice"),
            models.UniqueConstraint(
                fields=["notice", "device"], condition=Q(channel="push"), name="one_push_per_notice_and_device"
            ),
            models.CheckConstraint(
                condition=Q(channel="email", device__isnull=True) | Q(channel="push", device__isnull=False),
                name="push_names_its_device",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice} by {self.channel}"

    @classmethod
    def due(cls, *, now: datetime, wall: datetime) -> "models.QuerySet[NoticeDelivery]":
        """Return what is due at `now` and nobody is at work on, longest due first."""
        return cls.objects.filter(_is_free(wall), state=cls.State.DUE, due_at__lte=now).order_by("due_at", "pk")

    def claim(self, *, wall: datetime, until: datetime) -> bool:
        """Take the delivery until `until` of wall time; False where somebody else was first."""
        rows = NoticeDelivery.objects.filter(_is_free(wall), pk=self.pk, state=self.State.DUE)
        self.lease_until, self.attempts = until, self.attempts + 1
        return rows.update(lease_until=until, attempts=F("attempts") + 1) == 1

    def note(self, **changes: Any) -> bool:
        """Write what came of it, unless the claim has lapsed and is somebody else's."""
        mine = NoticeDelivery.objects.filter(pk=self.pk, lease_until=self.lease_until, state=self.State.DUE)
        return mine.update(lease_until=None, **changes) == 1


def _is_free(wall: datetime) -> Q:
    not_held = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
    return not_held & (Q(retry_at__isnull=True) | Q(retry_at__lte=wall))


class NoticeAct(models.Model):
    """One click that was used: a second one finds it here. `about` is the notice's public id, or the digest's day."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notice_acts")
    action = models.CharField(max_length=20)
    about = models.CharField(max_length=40)
    acted_at = models.DateTimeField()

    objects: ClassVar[models.Manager["NoticeAct"]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "action", "about"], name="one_use_per_click")]

    def __str__(self) -> str:
        return f"{self.action} of {self.about}"
