"""One report on its way to a utility's server: put there once, found again after a kill, replaced and never doubled."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from foundation import clock
from grid.models import OperatorReport, OwedReport
from grid.operators.base import OperatorError
from grid.operators.openadr3.client import NotThere, VtnClient

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)

Row = OperatorReport | OwedReport


def next_try(row: Row) -> datetime:
    """Return when a report is tried again should this try fail (wall time)."""
    return clock.wall() + min(FIRST_WAIT * (1 << min(row.failures, 10)), LONGEST_WAIT)


def deliver(row: Row, body: Mapping[str, Any], server: VtnClient) -> str:
    """Have the report stand at the server as `body`, and return its id there; raises OperatorError.

    Where an earlier try may have reached the server unheard, it is looked for by its name first.
    """
    model = type(row)
    remote_id = row.remote_id
    if not remote_id and row.is_tried:
        remote_id = server.find_report(
            event_id=str(body["eventID"]), client_name=str(body["clientName"]), name=str(body["reportName"])
        )
    if not row.is_tried:
        model._default_manager.filter(pk=row.pk).update(is_tried=True)  # noqa: SLF001 - public but for its name
    try:
        return server.send_report(body, remote_id)
    except NotThere:
        if row.remote_id:  # the server forgot it: the next try makes it anew
            model._default_manager.filter(pk=row.pk).update(remote_id="")  # noqa: SLF001 - public but for its name
        raise


def reason_of(error: Exception) -> str:
    """Return why a report did not go out, as it is kept with it."""
    return (error.code if isinstance(error, OperatorError) else str(error))[:120]
