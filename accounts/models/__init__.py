"""Who the owner is, what they agreed to, and what they were told."""

from accounts.models.notices import Notice, NoticeAct, NoticeDelivery, NoticeSettings, NoticeSwitch, PushDevice
from accounts.models.people import Accounts, Consent, User

__all__ = [
    "Accounts",
    "Consent",
    "Notice",
    "NoticeAct",
    "NoticeDelivery",
    "NoticeSettings",
    "NoticeSwitch",
    "PushDevice",
    "User",
]
