"""From a link's row to its automaker: an adapter with a token that works, every call counted before it is made.

No call to a maker happens inside a database transaction. Tokens and waits live in wall time.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TypeVar

from cryptography.fernet import InvalidToken

from foundation import clock
from vehicles import meter
from vehicles.adapters import adapter, offered_makers
from vehicles.automakers.base import Account, Automaker, Capabilities, CarAccess
from vehicles.automakers.errors import AutomakerError, TokenRejected, UpstreamDown
from vehicles.grants import (
    access_token,
    assert_no_transaction,
    check_may_call,
    is_fresh,
    mark_needs_relink,
    note_failure,
    note_success,
    refresh_grant,
    store_grant,
    switch_of,
)
from vehicles.meter import Caller, Line, Use
from vehicles.models import HomeCharger, MakerSwitch, Vehicle, VehicleLink

__all__ = [
    "Operation",
    "Ready",
    "access_token",
    "adapter",
    "call",
    "call_account",
    "call_charger",
    "carry_out",
    "mark_needs_relink",
    "offered_makers",
    "prepare",
    "refresh_grant",
    "store_grant",
]

logger = logging.getLogger(__name__)
T = TypeVar("T")
Operation = Callable[[Automaker, CarAccess], T]


@dataclass(frozen=True)
class Ready:
    """A call that may be made, counted in `lines`; None: it is counted once its link has a token that works."""

    caller: Caller
    use: Use
    external_id: str
    can: Capabilities
    lines: tuple[Line, ...] | None = None


def call(vehicle: Vehicle, operation: Operation[T], *, use: Use = Use.READ, is_urgent: bool = False) -> T:
    """Run one operation on the car with a working token, and keep account of it and of how its link fares.

    A token that the maker no longer takes is refreshed once: a 401 did nothing, so even a command may go again.
    What ends a hold (`Use.RELEASE`, or `is_urgent`) passes the maker's switch, quiet times and budgets, which
    everything else respects. Raises AutomakerError; BudgetSpent where nothing was asked.
    """
    return _call(vehicle, operation, use=Use.RELEASE if is_urgent else use)


def call_charger(charger: HomeCharger, operation: Operation[T], *, use: Use = Use.READ) -> T:
    """Run one operation on a wall box as `call` does on a car; raises AutomakerError."""
    return _call(charger, operation, use=use)


def call_account(link: VehicleLink, operation: Callable[[Automaker, Account], T]) -> T:
    """Run one operation on the whole account as `call` does on a car; raises AutomakerError."""
    row = VehicleLink.objects.get(pk=link.pk)
    switch = switch_of(row)
    check_may_call(row, switch, is_urgent=False)
    scopes = tuple(row.scopes)
    return _run(
        Caller(row, switch), Use.READ, lambda maker, token: operation(maker, Account(token, row.extras, scopes))
    )


def prepare(calls: Sequence[tuple[Vehicle | HomeCharger, Use]]) -> list[Ready | AutomakerError]:
    """Look up and count calls that are about to be made, in a few statements; or say why one may not be made.

    `carry_out` makes them, in whatever thread.
    """
    links = _links({target.link_id for target, _ in calls})
    makers = {link.maker for link in links.values()}
    switches = {row.maker: row for row in MakerSwitch.objects.filter(maker__in=makers)}
    found: list[Ready | AutomakerError] = []
    counted: list[tuple[int, Ready]] = []
    for target, use in calls:
        if target.link_id not in links:
            found.append(AutomakerError("no key opens the link's tokens"))
            continue
        link = copy(links[target.link_id])  # each call's own: a refresh changes it
        switch = switches.get(link.maker)
        try:
            check_may_call(link, switch, is_urgent=use == Use.RELEASE)
        except AutomakerError as error:
            found.append(error)
            continue
        ready = _ready(target, link, switch, use)
        if is_fresh(link):
            counted.append((len(found), ready))
        found.append(ready)
    spent = meter.spend_all([(ready.caller, ready.use) for _, ready in counted], now=clock.now())
    for (place, ready), lines in zip(counted, spent, strict=True):
        found[place] = replace(ready, lines=lines) if isinstance(lines, tuple) else lines
    return found


def _links(keys: Collection[int]) -> dict[int, VehicleLink]:
    """Return the links by key; one that no key of ours opens is logged and left out."""
    try:
        return VehicleLink.objects.in_bulk(keys)
    except InvalidToken:
        if len(keys) > 1:
            return {key: link for one in keys for key, link in _links([one]).items()}
        logger.exception("link %s cannot be read", *keys)
        return {}


def carry_out(ready: Ready, operation: Operation[T]) -> T:
    """Make a prepared call as `call` does; raises AutomakerError."""
    link = ready.caller.link
    return _run(
        ready.caller,
        ready.use,
        lambda maker, token: operation(maker, _open(ready.external_id, ready.can, link, token)),
        lines=ready.lines,
    )


def _call(target: Vehicle | HomeCharger, operation: Operation[T], *, use: Use) -> T:
    link = VehicleLink.objects.get(pk=target.link_id)
    switch = switch_of(link)
    check_may_call(link, switch, is_urgent=use == Use.RELEASE)
    return carry_out(_ready(target, link, switch, use), operation)


def _ready(target: Vehicle | HomeCharger, link: VehicleLink, switch: MakerSwitch | None, use: Use) -> Ready:
    if isinstance(target, HomeCharger):
        can = target.can
        caller = Caller(link, switch, can, charger=target.pk)
    else:
        can = target.own
        caller = Caller(link, switch, can, car=target.pk)
    return Ready(caller, use, target.external_id, can)


def _run(
    caller: Caller, use: Use, operation: Callable[[Automaker, str], T], *, lines: tuple[Line, ...] | None = None
) -> T:
    """Do the call for a link whose row was just loaded and may be used."""
    assert_no_transaction()
    link, is_urgent = caller.link, use == Use.RELEASE
    maker = adapter(link.maker)
    token = link.access_token if is_fresh(link) else access_token(link, is_urgent=is_urgent)
    if lines is None:
        lines = meter.spend(caller, use, now=clock.now())
    try:
        try:
            result = operation(maker, token)
        except TokenRejected:
            fresh = access_token(link, rejected=token, is_urgent=is_urgent)
            result = _with_fresh_token(maker, fresh, operation)
    except AutomakerError as error:
        meter.count_failure(lines)
        note_failure(link, error)
        raise
    note_success(link)
    return result


def _with_fresh_token(maker: Automaker, token: str, operation: Callable[[Automaker, str], T]) -> T:
    try:
        return operation(maker, token)
    except TokenRejected:  # a new token refused at once says that the maker's door is broken, not the owner's link
        raise UpstreamDown("fresh token refused") from None


def _open(external_id: str, can: Capabilities, link: VehicleLink, token: str) -> CarAccess:
    return CarAccess(
        external_id=external_id,
        access_token=token,
        capabilities=can,
        extras=link.extras,
        scopes=tuple(link.scopes),
    )
