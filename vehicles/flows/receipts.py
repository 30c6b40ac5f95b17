"""A maker's later word on a command: a failure counts at once, success only once a car shows it."""

from datetime import datetime

from vehicles.automakers.base import CommandReceipt, ReceiptState
from vehicles.flows import confirming, sending
from vehicles.flows.telemetry import ask_reading
from vehicles.models import Command, Vehicle

WAITING = (Command.State.SENDING, Command.State.UNKNOWN, Command.State.ACCEPTED)


def take_receipt(*, vehicle: Vehicle, receipt: CommandReceipt, now: datetime) -> Command | None:
    """Apply the word to the car's command of that id and return it; None where no command under way has the id.

    A hold or discharge that failed is given up and the car released; a release that failed is sent again. Any other
    outcome has the car read soon.
    """
    if not receipt.maker_command_id:
        return None
    rows = Command.objects.filter(
        vehicle=vehicle, maker_command_id=receipt.maker_command_id, state__in=Command.UNFINISHED
    )
    command = rows.select_related("vehicle").order_by("-created_at").first()
    if command is None:
        return None
    if receipt.state == ReceiptState.FAILED:
        _fail(command, now=now)
    else:
        Command.objects.filter(pk=command.pk, state=Command.State.UNKNOWN).update(
            state=Command.State.ACCEPTED, accepted_at=now
        )
        if receipt.state in {ReceiptState.COMPLETED, ReceiptState.NOOP}:
            ask_reading(vehicle=vehicle, by=now)
    command.refresh_from_db()
    return command


def _fail(command: Command, *, now: datetime) -> None:
    if command.kind in {Command.Kind.HOLD, Command.Kind.DISCHARGE}:
        confirming.note_failed_at_car(command, now=now)
    elif command.kind == Command.Kind.RESUME:
        pause = sending.retry_seconds(command.attempts)
        sending.try_again(command, seconds=pause, failure="failed_at_car", now=now)
    else:
        Command.objects.filter(pk=command.pk, state__in=WAITING).update(
            state=Command.State.REJECTED, failure="failed_at_car"
        )
