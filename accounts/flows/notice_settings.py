"""What an owner wants to be told, by which channel and when; and which browsers may be told."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from django.db import transaction
from django.utils.translation import gettext

from accounts import push_services
from accounts.models import NoticeSettings, NoticeSwitch, PushDevice, User
from accounts.notice_kinds import CHANNELS, EMAIL, IN_APP, KINDS
from foundation import clock
from foundation.fields import keyed_hash
from foundation.refusals import Refusal

MOST_DEVICES = 10
LONGEST_ENDPOINT = 1000
SESSION_DEVICE = "push_device"  # in a session: which browser it is, so that signing out ends its pushes


class UnableToSaveNotices(Refusal):
    """The owner's wishes stay as they were."""


class UnableToSubscribe(Refusal):
    """The browser is not told anything."""


@dataclass(frozen=True)
class Wishes:
    """When the owner wants to be left alone, and whether e-mails come together; local times, whole minutes."""

    has_quiet_hours: bool
    quiet_from_local: time
    quiet_until_local: time
    has_digest: bool
    digest_at_local: time


def settings_of(user: User) -> NoticeSettings:
    """Return the owner's settings, or the defaults (unsaved) where they said nothing."""
    return NoticeSettings.objects.filter(user=user).first() or NoticeSettings(user=user)


def switches_of(user: User) -> dict[tuple[str, str], bool]:
    """Return (kind, channel) -> whether it is on, for every kind that there is."""
    switches = {(slug, channel): is_on for slug, kind in KINDS.items() for channel, is_on in kind.defaults.items()}
    said = NoticeSwitch.objects.filter(user=user).values_list("kind", "channel", "is_on")
    switches.update({(kind, channel): is_on for kind, channel, is_on in said if (kind, channel) in switches})
    return switches


def save_notice_settings(
    *, user: User, wishes: Wishes | None = None, switches: Mapping[tuple[str, str], bool] | None = None
) -> NoticeSettings:
    """Keep what was given of the owner's wishes and return the settings; (kind, channel) that are missing stay.

    Raises UnableToSaveNotices for quiet hours without length, for a kind or channel that does not exist, and for
    turning off in the app what is always shown there.
    """
    for (slug, channel), is_on in (switches or {}).items():
        _check_switch(slug, channel, is_on=is_on)
    if wishes is not None and wishes.quiet_from_local == wishes.quiet_until_local:
        raise UnableToSaveNotices(
            gettext("Quiet hours need an end that is not their start."), code="no_length", field="quiet_until_local"
        )
    with transaction.atomic():
        for (slug, channel), is_on in (switches or {}).items():
            _switch(user, slug, channel, is_on=is_on)
        if wishes is not None:
            NoticeSettings.objects.update_or_create(user=user, defaults=vars(wishes))
    return settings_of(user)


def stop_emails(*, user: User, kinds: list[str]) -> None:
    """Send the owner no more e-mails of these kinds; kinds that do not exist any more are passed over."""
    save_notice_settings(user=user, switches={(slug, EMAIL): False for slug in kinds if slug in KINDS})


def stop_digest(*, user: User) -> None:
    """Send no daily e-mail any more, and nothing of what would stand in it by e-mail."""
    with transaction.atomic():
        NoticeSettings.objects.filter(user=user).update(has_digest=False)
        stop_emails(user=user, kinds=[slug for slug, kind in KINDS.items() if not kind.is_urgent])


def _check_switch(slug: str, channel: str, *, is_on: bool) -> None:
    if slug not in KINDS or channel not in CHANNELS:
        raise UnableToSaveNotices(gettext("There is no such notice."), code="unknown_kind", field="switches")
    if channel == IN_APP and KINDS[slug].is_locked and not is_on:
        raise UnableToSaveNotices(
            gettext("This notice is always shown in the app: without it you could miss a charge, money or a change."),
            code="always_shown",
            field="switches",
        )


def _switch(user: User, slug: str, channel: str, *, is_on: bool) -> None:
    if is_on == KINDS[slug].defaults[channel]:  # a default needs no row, and may change with us
        NoticeSwitch.objects.filter(user=user, kind=slug, channel=channel).delete()
    else:
        NoticeSwitch.objects.update_or_create(user=user, kind=slug, channel=channel, defaults={"is_on": is_on})


def subscribe_device(*, user: User, endpoint: str, p256dh: str, auth: str, name: str = "") -> PushDevice:
    """Let a browser be told, and return it; subscribing again renews it, also where another user had it before.

    `p256dh` and `auth` are the subscription's keys in base64url (RFC 8291). Raises UnableToSubscribe for an endpoint
    that belongs to no known push service (it would let anybody send us anywhere), and for keys that are none.
    """
    if len(endpoint) > LONGEST_ENDPOINT or not push_services.is_known(endpoint):
        raise UnableToSubscribe(
            gettext("This browser's push service is not one that we know."), code="unknown_service", field="endpoint"
        )
    if not _is_point(p256dh):
        raise UnableToSubscribe(gettext("The browser's key is not one."), code="bad_key", field="p256dh")
    if len(_bytes_of(auth)) != 16:
        raise UnableToSubscribe(gettext("The browser's secret is not one."), code="bad_secret", field="auth")
    with transaction.atomic():
        device, _ = PushDevice.objects.update_or_create(
            endpoint_hash=keyed_hash(endpoint),
            defaults={
                "user": user,
                "endpoint": endpoint,
                "p256dh": p256dh,
                "auth": auth,
                "name": " ".join(name.split())[:60],
                "created_at": clock.wall(),
            },
        )
        oldest = PushDevice.objects.filter(user=user).order_by("-created_at", "-pk").values_list("pk", flat=True)
        PushDevice.objects.filter(pk__in=list(oldest[MOST_DEVICES:])).delete()
    return device


def forget_device(*, device: PushDevice) -> None:
    """Tell this browser nothing any more."""
    device.delete()


def forget_endpoint(*, user: User, endpoint: str) -> bool:
    """Tell the user's browser of this endpoint nothing any more; False where it was not known."""
    return PushDevice.objects.filter(user=user, endpoint_hash=keyed_hash(endpoint)).delete()[0] > 0


def _is_point(key: str) -> bool:
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), _bytes_of(key))
    except ValueError:
        return False
    return len(_bytes_of(key)) == 65


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
