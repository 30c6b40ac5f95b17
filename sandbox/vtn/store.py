"""What the server keeps and who sees it: object privacy by targets, rules of what belongs to what, notifications."""

import json
import logging
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import requests
from django.db import transaction

from sandbox.vtn.models import Body, VtnClient, VtnObject
from sandbox.world import clock

logger = logging.getLogger(__name__)
Kind = VtnObject.Kind
NOTIFY_SECONDS = 3.0
UTILITY_ONLY = {Kind.PROGRAM, Kind.EVENT}
REQUIRED: dict[str, tuple[str, ...]] = {
    Kind.PROGRAM: ("programName",),
    Kind.EVENT: ("programID",),
    Kind.REPORT: ("eventID", "clientName", "resources"),
    Kind.VEN: ("venName",),
    Kind.RESOURCE: ("resourceName", "venID"),
    Kind.SUBSCRIPTION: ("clientName", "objectOperations"),
}
UNIQUE_NAMES: dict[str, str] = {Kind.PROGRAM: "programName", Kind.VEN: "venName"}
# What an object belongs to, and by which name it says so.
PARENTS: dict[str, tuple[str, str]] = {
    Kind.EVENT: (Kind.PROGRAM, "programID"),
    Kind.RESOURCE: (Kind.VEN, "venID"),
    Kind.REPORT: (Kind.EVENT, "eventID"),
}
# What the server itself says of an object; whoever sends it is not believed.
SERVERS_OWN = {"id", "createdDateTime", "modificationDateTime", "objectType", "clientID"}


class Problem(Exception):
    """The request is refused with an HTTP status and a reason."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(detail)


def create(kind: str, body: Body, client: VtnClient) -> VtnObject:
    """Keep a new object; raises Problem where it may not be or repeats a name."""
    _check(kind, body, client)
    name = UNIQUE_NAMES.get(kind)
    with transaction.atomic():
        if name and any(row.body.get(name) == body[name] for row in VtnObject.objects.filter(kind=kind)):
            raise Problem(409, f"{name} is taken")
        if kind == Kind.VEN and VtnObject.objects.filter(kind=kind, client=client).exists() and not client.is_utility:
            raise Problem(409, "this client has a VEN")
        now = clock.now()
        row = VtnObject.objects.create(kind=kind, client=client, body=_plain(body), created_at=now, modified_at=now)
    notify(row, "CREATE")
    return row


def change(row: VtnObject, body: Body, client: VtnClient) -> VtnObject:
    """Put a newer body in an object's place."""
    _check_owner(row, client)
    _check(row.kind, body, client)
    row.body, row.modified_at = _plain(body), clock.now()
    row.save(update_fields=["body", "modified_at"])
    notify(row, "UPDATE")
    return row


def drop(row: VtnObject, client: VtnClient) -> None:
    """Delete an object for good: OpenADR 3 keeps no trace of what was called off."""
    _check_owner(row, client)
    notify(row, "DELETE")
    row.delete()


def find(kind: str, identity: str, client: VtnClient) -> VtnObject:
    """Return an object that the client may see; raises Problem 404 for any other."""
    row = VtnObject.objects.filter(kind=kind, identity=identity).select_related("client").first()
    if row is None or not _may_see(row, client, _targets_of(client)):
        raise Problem(404, f"no such {kind.lower()}")
    return row


def seen_by(client: VtnClient, kind: str) -> list[VtnObject]:
    """Return every object of the kind that the client may see, oldest first."""
    targets = _targets_of(client)
    rows = VtnObject.objects.filter(kind=kind).select_related("client")
    return [row for row in rows if _may_see(row, client, targets)]


def _may_see(row: VtnObject, client: VtnClient, targets: set[str]) -> bool:
    if client.is_utility:
        return True
    if row.kind in UTILITY_ONLY:
        wanted = row.body.get("targets") or []
        return not wanted or bool(targets & set(wanted))
    return bool(row.client_id == client.pk)


def _targets_of(client: VtnClient) -> set[str]:
    """Return the targets that the utility gave the client's VEN and resources."""
    rows = VtnObject.objects.filter(kind__in=(Kind.VEN, Kind.RESOURCE), client=client)
    return {target for row in rows for target in row.body.get("targets") or []}


def _check(kind: str, body: Body, client: VtnClient) -> None:
    if kind in UTILITY_ONLY and not client.is_utility:
        raise Problem(403, f"only the utility makes a {kind.lower()}")
    missing = [name for name in REQUIRED[kind] if not body.get(name)]
    if missing:
        raise Problem(400, f"missing: {', '.join(missing)}")
    belongs = PARENTS.get(kind)
    if belongs is not None:
        find(belongs[0], str(body[belongs[1]]), client)


def _check_owner(row: VtnObject, client: VtnClient) -> None:
    if not client.is_utility and row.client_id != client.pk:
        raise Problem(403, "this object is somebody else's")


def _plain(body: Body) -> Body:
    return {name: value for name, value in body.items() if name not in SERVERS_OWN}


def describe(row: VtnObject, *, stamp: Any) -> Body:
    """Return the object as the wire shows it; `stamp` writes an instant."""
    shown: Body = {
        "id": str(row.identity),
        "createdDateTime": stamp(row.created_at),
        "modificationDateTime": stamp(row.modified_at),
        "objectType": row.kind,
        **row.body,
    }
    if row.kind in {Kind.REPORT, Kind.SUBSCRIPTION, Kind.VEN, Kind.RESOURCE}:
        shown["clientID"] = row.client.client_id
    return shown


def rfc3339(at: datetime) -> str:
    """Return the instant as the specification asks for."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def notify(row: VtnObject, operation: str) -> None:
    """Tell every subscriber who may see the object, without waiting for any of them."""
    verb = {"CREATE": "POST", "UPDATE": "PUT", "DELETE": "DELETE"}[operation]
    message = {"objectType": row.kind, "operation": operation, "object": describe(row, stamp=rfc3339)}
    calls = [
        (wish["callbackUrl"], wish.get("bearerToken") or "")
        for subscription in VtnObject.objects.filter(kind=Kind.SUBSCRIPTION).select_related("client")
        if _may_see(row, subscription.client, _targets_of(subscription.client))
        for wish in _wishes(subscription)
        if row.kind in wish.get("objects", []) and {operation, verb} & set(wish.get("operations", []))
    ]
    if calls:
        threading.Thread(target=_deliver, args=(calls, message), daemon=True).start()


def _wishes(subscription: VtnObject) -> Iterable[Body]:
    wishes = subscription.body.get("objectOperations")
    return (
        [wish for wish in wishes if isinstance(wish, dict) and "callbackUrl" in wish]
        if isinstance(wishes, list)
        else []
    )


def _deliver(calls: list[tuple[str, str]], message: Body) -> None:
    for url, bearer in calls:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        try:
            requests.post(url, data=json.dumps(message), headers=headers, timeout=NOTIFY_SECONDS)
        except requests.RequestException as error:
            logger.info("a subscriber did not answer: %s", type(error).__name__)
