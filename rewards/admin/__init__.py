"""The money in the admin: everything can be found and followed; people steer by actions and edit nothing."""

from rewards.admin import books, payouts, reconciling

__all__ = ["books", "payouts", "reconciling"]
