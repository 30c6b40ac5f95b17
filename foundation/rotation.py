"""Writing encrypted values anew under the newest key, so that an old key can be thrown away."""
# ruff: noqa: SLF001 - `_meta` and `_base_manager` are documented names of Django models

import logging
from collections.abc import Iterator

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import TextField, Value
from django.db.models.functions import Cast

from foundation.fields import EncryptedTextField, cipher

logger = logging.getLogger(__name__)


def renewed(encrypted: str) -> str | None:
    """Return the value under the newest key, or None where it is already; raises InvalidToken if no key opens it."""
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(encrypted.encode())
    except InvalidToken:
        return cipher().rotate(encrypted.encode()).decode()
    return None


def encrypted_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Yield every model and the name of each of its encrypted columns, history tables included."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedTextField):
                yield model, field.attname


def rotate_column(model: type[models.Model], name: str, *, batch: int) -> tuple[int, int]:
    """Write one column anew and return how many values were renewed and how many no key opens.

    Goes through the table by `batch` rows of its key, each value swapped only if nobody changed it meanwhile. What is
    already under the newest key is left alone, so a run that was cut off is simply started again.
    """
    done, lost, last = 0, 0, None
    while True:
        rows = model._base_manager.annotate(raw_value=Cast(name, TextField())).exclude(raw_value="")
        rows = rows.filter(raw_value__isnull=False)
        if last is not None:
            rows = rows.filter(pk__gt=last)
        found = list(rows.order_by("pk").values_list("pk", "raw_value")[:batch])
        if not found:
            return done, lost
        for pk, raw in found:
            try:
                fresh = renewed(raw)
            except InvalidToken:
                lost += 1
                logger.exception("%s.%s of row %s: no key opens it", model._meta.label, name, pk)
                continue
            if fresh is not None:
                done += _swap(model, name, pk=pk, old=raw, new=fresh)
        last = found[-1][0]


def _swap(model: type[models.Model], name: str, *, pk: object, old: str, new: str) -> int:
    # Compared and set by the database in one step: a token that was refreshed meanwhile must not be undone.
    rows = model._base_manager.annotate(raw_value=Cast(name, TextField())).filter(pk=pk, raw_value=old)
    return rows.update(**{name: Value(new, output_field=TextField())})
