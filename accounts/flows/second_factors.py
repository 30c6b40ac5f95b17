"""Second-factor secrets lie encrypted inside allauth's own rows; here they are written anew under the newest key."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction

from foundation.rotation import renewed

ENCRYPTED = {Authenticator.Type.TOTP: ("secret",), Authenticator.Type.RECOVERY_CODES: ("seed", "migrated_codes")}


def rotate_second_factors(*, batch: int) -> int:
    """Write the secrets of authenticator apps and recovery codes anew and return how many rows changed.

    Rows already under the newest key are left alone; raises InvalidToken for one that no key opens.
    """
    done, last = 0, 0
    while True:
        rows = Authenticator.objects.filter(type__in=ENCRYPTED, pk__gt=last).order_by("pk")
        found = list(rows.values_list("pk", flat=True)[:batch])
        if not found:
            return done
        for pk in found:
            done += _rotate(pk)
        last = found[-1]


def _rotate(pk: int) -> bool:
    with transaction.atomic():  # recovery codes are marked as used in the same object
        row = Authenticator.objects.select_for_update().filter(pk=pk).first()
        if row is None:
            return False
        changes = {name: _fresh(row.data[name]) for name in ENCRYPTED[row.type] if row.data.get(name)}
        changes = {name: value for name, value in changes.items() if value is not None}
        if changes:
            row.data = {**row.data, **changes}
            row.save(update_fields=["data"])
        return bool(changes)


def _fresh(value: Any) -> Any:
    if isinstance(value, list):
        fresh = [renewed(one) for one in value]
        return [new or old for new, old in zip(fresh, value, strict=True)] if any(fresh) else None
    return renewed(value)
