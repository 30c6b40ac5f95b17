"""Model instances put together from columns."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.base import ModelState

Kept = TypeVar("Kept", bound=Model)


def bare(model: type[Kept], fields: Sequence[str], values: Sequence[Any], **related: Model) -> Kept:
    """Return an instance that knows these fields alone; the others are read from the database when asked for.

    `related` are rows that its foreign keys point at. It is put together without the model's own constructor, which
    takes longer for all the cars of a sweep than working on them.
    """
    row = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, "default"
    if related:
        state.fields_cache = dict(related)
    row.__dict__ = dict(zip(fields, values, strict=True), _state=state)
    return row
