"""How each notice goes out: by which channels, when, and until when. Leaves due rows, sends nothing."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.flows.notices import no_news_after
from accounts.models import Notice, NoticeDelivery, NoticeSettings, NoticeSwitch, PushDevice, User
from accounts.notice_kinds import EMAIL, PUSH, kind_of
from accounts.quiet import next_local, quiet_ends_at


@dataclass(frozen=True)
class _Wanted:
    """What the owners of a batch of notices want."""

    switches: dict[tuple[int, str, str], bool]
    settings: dict[int, NoticeSettings]
    devices: dict[int, list[PushDevice]]

    def is_on(self, notice: Notice, channel: str) -> bool:
        """Return the owner's word on the notice's kind, or the kind's default."""
        default = kind_of(notice.kind).defaults[channel]
        return self.switches.get((notice.user_id, notice.kind, channel), default)

    def settings_of(self, user: User) -> NoticeSettings:
        """Return when the user wants to be told."""
        return self.settings.get(user.pk) or NoticeSettings(user=user)


def route_due_notices(*, now: datetime, limit: int) -> int:
    """Decide how up to `limit` new notices go out, leave a due delivery for each way, and return how many were routed.

    Running twice, or two at a time, adds nothing: a notice has one e-mail, and one push a device.
    """
    rows = Notice.objects.filter(routed_at__isnull=True, user__is_active=True).select_related("user")
    notices = list(rows.order_by("created_at", "pk")[:limit])
    if not notices:
        return 0
    wanted = _wanted_by({notice.user_id for notice in notices})
    deliveries = [delivery for notice in notices for delivery in _deliveries(notice, wanted, now)]
    with transaction.atomic():
        NoticeDelivery.objects.bulk_create(deliveries, batch_size=500, ignore_conflicts=True)
        Notice.objects.filter(pk__in=[notice.pk for notice in notices]).update(routed_at=now)
    return len(notices)


def _wanted_by(user_ids: set[int]) -> _Wanted:
    devices = defaultdict(list)
    for device in PushDevice.objects.filter(user__in=user_ids):
        devices[device.user_id].append(device)
    switches = NoticeSwitch.objects.filter(user__in=user_ids)
    return _Wanted(
        switches={(row.user_id, row.kind, row.channel): row.is_on for row in switches},
        settings={row.user_id: row for row in NoticeSettings.objects.filter(user__in=user_ids)},
        devices=devices,
    )


def _deliveries(notice: Notice, wanted: _Wanted, now: datetime) -> Iterable[NoticeDelivery]:
    user, settings, kind = notice.user, wanted.settings_of(notice.user), kind_of(notice.kind)
    free_at = now if kind.is_urgent else _free_at(user, settings, now)
    expires_at = no_news_after(notice)
    if wanted.is_on(notice, EMAIL):
        is_digest = settings.has_digest and not kind.is_urgent
        digest_at = next_local(now, zone=user.zone, local=settings.digest_at_local) if is_digest else free_at
        # A digest tells of the whole day, also of what has passed meanwhile.
        yield _delivery(notice, EMAIL, due_at=digest_at, expires_at=None if is_digest else expires_at, digest=is_digest)
    if wanted.is_on(notice, PUSH):
        for device in wanted.devices.get(user.pk, ()):
            yield _delivery(notice, PUSH, due_at=free_at, expires_at=expires_at, device=device)


def _free_at(user: User, settings: NoticeSettings, now: datetime) -> datetime:
    """Return `now`, or the end of the quiet hours that it falls into."""
    if not settings.has_quiet_hours:
        return now
    starts, ends = settings.quiet_from_local, settings.quiet_until_local
    return quiet_ends_at(now, zone=user.zone, starts=starts, ends=ends) or now


def _delivery(
    notice: Notice,
    channel: str,
    *,
    due_at: datetime,
    expires_at: datetime | None,
    device: PushDevice | None = None,
    digest: bool = False,
) -> NoticeDelivery:
    is_late = expires_at is not None and expires_at <= due_at
    return NoticeDelivery(
        notice=notice,
        channel=channel,
        device=device,
        is_digest=digest,
        state=NoticeDelivery.State.LATE if is_late else NoticeDelivery.State.DUE,
        due_at=due_at,
        expires_at=expires_at,
    )
