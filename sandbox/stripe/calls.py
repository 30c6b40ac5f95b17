"""One call of the API as the operations see it, and the lists they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from sandbox.stripe import wire
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.events import Cause
from sandbox.stripe.models import Account
from sandbox.stripe.params import PERIOD, Param, Spec, integer, text, texts

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
EXPAND: dict[str, Param] = {"expand": texts()}
LIST: dict[str, Param] = {
    "limit": integer(),
    "starting_after": text(),
    "ending_before": text(),
    "created": PERIOD,
    **EXPAND,
}
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Call:
    """A checked call: its parameters, the ids in its path, and on whose behalf. `now` is simulated."""

    params: dict[str, Any]
    ids: Mapping[str, str]
    account: Account | None
    now: datetime
    cause: Cause


@dataclass(frozen=True)
class Operation:
    """One thing the API can do. `pattern` is a path such as "v1/transfers/{id}"."""

    name: str
    method: str
    pattern: str
    spec: Spec
    answer: Callable[[Call], dict[str, Any]]

    @property
    def is_v2(self) -> bool:
        """Whether it speaks JSON both ways."""
        return self.pattern.startswith("v2/")


def list_page(
    call: Call, rows: QuerySet[Row], *, url: str, what: str, render: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return one page of a v1 list, newest first, after or before the object that the call names."""
    limit = call.params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise StripeError(f"Invalid limit: must be 1 to {MAX_LIMIT}", code="parameter_invalid_integer", param="limit")
    for bound, seconds in call.params.get("created", {}).items():
        # A second holds many rows, so "up to this second" means before the next one.
        shift = 1 if bound in {"gt", "lte"} else 0
        instant = datetime.fromtimestamp(seconds + shift, UTC)
        rows = rows.filter(**{f"created_at__{'gte' if bound in {'gt', 'gte'} else 'lt'}": instant})
    if "ending_before" in call.params:
        pivot = _pivot(rows, call.params["ending_before"], what, "ending_before")
        found = list(rows.filter(pk__gt=pivot).order_by("pk")[: limit + 1])
        page = found[:limit][::-1]
    else:
        if "starting_after" in call.params:
            rows = rows.filter(pk__lt=_pivot(rows, call.params["starting_after"], what, "starting_after"))
        found = list(rows.order_by("-pk")[: limit + 1])
        page = found[:limit]
    return wire.listing(url, [render(row) for row in page], has_more=len(found) > limit)


def find(rows: QuerySet[Row], object_id: str, *, what: str, param: str = "id", is_v2: bool = False) -> Row:
    """Return the row with this Stripe id; raises StripeError where there is none."""
    row = rows.filter(object_id=object_id).first()
    if row is None:
        raise missing(what, object_id, param=param, is_v2=is_v2)
    return row


def _pivot(rows: QuerySet[Row], object_id: str, what: str, param: str) -> int:
    pivot: int = find(rows, object_id, what=what, param=param).pk
    return pivot
