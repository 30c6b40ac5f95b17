"""What a command says to its car's adapter, and until when it may be said."""

from datetime import datetime, timedelta

from foundation import clock
from vehicles import gateway
from vehicles.automakers.base import Automaker, Backstop, CarAccess, CommandReceipt
from vehicles.flows.allowing import UnableToCommand
from vehicles.flows.waking import FOR_RELEASE
from vehicles.models import Command, HomePlace

# Whoever claimed a command and stood still for longer knows nothing of the car any more.
CALL_WITHIN = timedelta(seconds=60)


def operation_of(command: Command, *, claimed_at: datetime) -> "gateway.Operation[CommandReceipt]":
    """Return the call that carries the command out; raises UnableToCommand where what it needs is there no more.

    The call raises it, too, where it comes too long after `claimed_at` (wall time): somebody else may have taken the
    command for lost and told the car something newer. What ends a hold is said however late.
    """
    key, backstop = str(command.public_id), _backstop(command)
    # Each try is a new request: the maker must not answer a repeated one from memory.
    repeated_key = f"{key}-{command.attempts}"

    def operation(maker: Automaker, car: CarAccess) -> CommandReceipt:
        if command.kind == Command.Kind.RESUME:
            return maker.resume(car, key=repeated_key)
        _check_in_time(command, claimed_at=claimed_at)
        if command.kind == Command.Kind.WAKE:
            return maker.wake(car)
        if command.kind == Command.Kind.SET_LIMIT:
            assert command.limit_percent is not None
            return maker.set_limit(car, percent=command.limit_percent, key=repeated_key)
        assert command.ends_at is not None
        if command.kind == Command.Kind.HOLD:
            return maker.hold(car, until=command.ends_at, key=key, backstop=backstop)
        return maker.discharge(
            car,
            power_w=command.power_w,
            floor_soc_percent=command.floor_soc_percent,
            until=command.ends_at,
            key=key,
        )

    return operation


def _check_in_time(command: Command, *, claimed_at: datetime) -> None:
    if command.kind == Command.Kind.WAKE and command.reason == FOR_RELEASE:
        return
    since = clock.wall() - claimed_at
    is_over = command.sent_at and command.ends_at and command.sent_at + since * clock.rate() >= command.ends_at
    if since > CALL_WITHIN or is_over:
        raise UnableToCommand("The sender stood still for too long.", code="sender_late")


def _backstop(command: Command) -> Backstop | None:
    """Return the schedule to keep in the car before it is held; raises UnableToCommand where it cannot be made."""
    if command.kind != Command.Kind.HOLD or command.via_charger_id or not command.vehicle.can.needs_backstop:
        return None
    home = HomePlace.objects.filter(owner=command.vehicle.owner_id).first()
    if home is None or command.backstop_at is None or command.departure_at is None:
        raise UnableToCommand("The car's schedule needs a departure and a home.", code="backstop_missing")
    return Backstop(
        start_at=command.backstop_at,
        departure_at=command.departure_at,
        zone=command.zone,
        latitude=float(home.latitude),
        longitude=float(home.longitude),
    )
