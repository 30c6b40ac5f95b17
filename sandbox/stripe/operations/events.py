"""What happened, to be listed: v1 events of the platform or of one account, v2 events of all."""

from typing import Any

from sandbox.stripe import wire
from sandbox.stripe.calls import EXPAND, LIST, Call, Operation, find, list_page
from sandbox.stripe.errors import StripeError
from sandbox.stripe.models import Event
from sandbox.stripe.params import FLAG, integer, text, texts


def list_v1(call: Call) -> dict[str, Any]:
    """Return one page of the snapshot events; `delivery_success` false names those no listener took."""
    rows = Event.objects.filter(is_thin=False, account=call.account)
    if "delivery_success" in call.params:
        rows = rows.filter(delivered_at__isnull=not call.params["delivery_success"])
    kinds = [*call.params.get("types", []), *([call.params["type"]] if "type" in call.params else [])]
    if kinds:
        rows = rows.filter(kind__in=kinds)
    return list_page(call, rows, url="/v1/events", what="event", render=wire.event)


def retrieve_v1(call: Call) -> dict[str, Any]:
    """Return one snapshot event."""
    return wire.event(find(Event.objects.filter(is_thin=False, account=call.account), call.ids["id"], what="event"))


def list_v2(call: Call) -> dict[str, Any]:
    """Return one page of the thin events, newest first."""
    limit, start = call.params.get("limit", 20), call.params.get("page", "0")
    if not start.isdecimal() or not 1 <= limit <= 100:
        raise StripeError("page or limit is not valid", code="invalid_fields")
    rows = Event.objects.filter(is_thin=True).order_by("-pk")
    if "object_id" in call.params:
        rows = rows.filter(account__object_id=call.params["object_id"])
    if "types" in call.params:
        rows = rows.filter(kind__in=call.params["types"])
    first, last = int(start), int(start) + limit
    kept = f"&object_id={call.params['object_id']}" if "object_id" in call.params else ""
    following = f"/v2/core/events?limit={limit}&page={last}{kept}" if rows[last : last + 1] else None
    before = f"/v2/core/events?limit={limit}&page={max(0, first - limit)}{kept}" if first else None
    return {
        "data": [wire.thin_event(row, has_data=True) for row in rows[first:last]],
        "next_page_url": following,
        "previous_page_url": before,
    }


def retrieve_v2(call: Call) -> dict[str, Any]:
    """Return one thin event with its data."""
    row = find(Event.objects.filter(is_thin=True), call.ids["id"], what="Event", is_v2=True)
    return wire.thin_event(row, has_data=True)


OPERATIONS = (
    Operation(
        "events.list", "GET", "v1/events", {**LIST, "delivery_success": FLAG, "type": text(), "types": texts()}, list_v1
    ),
    Operation("events.retrieve", "GET", "v1/events/{id}", EXPAND, retrieve_v1),
    Operation(
        "v2.events.list",
        "GET",
        "v2/core/events",
        {"limit": integer(), "page": text(), "object_id": text(), "types": texts()},
        list_v2,
    ),
    Operation("v2.events.retrieve", "GET", "v2/core/events/{id}", {}, retrieve_v2),
)
