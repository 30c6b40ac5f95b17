"""What else a utility's list of events tells: targets to be looked up, and events that came back under another name."""

from collections.abc import Mapping, Sequence
from typing import Any

from grid.flows.operators.targeting_cars import scope_of
from grid.models import OperatorEvent, OperatorLink, OperatorProgram
from grid.operators.base import OperatorUnreadable
from grid.operators.openadr3.client import VtnClient
from grid.operators.openadr3.messages import read_targets

# What a server says of an object, rather than its maker; by these alone two copies of one event may differ.
SERVERS_OWN = {"id", "createdDateTime", "modificationDateTime"}


def learn_targets(program: OperatorProgram, listing: Sequence[Mapping[str, Any]], server: VtnClient) -> None:
    """Ask the server what its targets mean where the list names one that is not known; raises OperatorError."""
    named: set[str] = set()
    for record in listing:
        try:
            named |= set(read_targets(record.get("targets")))
        except OperatorUnreadable:
            continue  # its event is refused by name when it is read
    if not named or not scope_of(program, sorted(named))[1]:
        return
    link = program.link
    given = server.targets_given(link.ven_id, link.ven_name)
    if given != link.targets:
        link.targets = given
        OperatorLink.objects.filter(pk=link.pk).update(targets=given)


def take_new_name(row: OperatorEvent, listing: Sequence[Mapping[str, Any]]) -> bool:
    """Follow an event that its server lists under another id now, and return whether it does.

    The same words under a new id are the same event: nobody is told that it was called off and asked anew.
    """
    known = set(OperatorEvent.objects.filter(program=row.program_id).values_list("remote_id", flat=True))
    for record in listing:
        name = record.get("id")
        if (
            isinstance(name, str)
            and 0 < len(name) <= 128
            and name not in known
            and _words(record) == _words(row.record)
        ):
            OperatorEvent.objects.filter(pk=row.pk).update(remote_id=name, record=record)
            return True
    return False


def _words(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in SERVERS_OWN}
