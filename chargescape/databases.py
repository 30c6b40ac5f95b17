"""What every process of ours asks of PostgreSQL."""

from collections.abc import Mapping
from typing import Any

# No task takes longer than its whole time limit, so only somebody who stands still or is cut off does.
IDLE_MS = 60_000


def postgres_options(database: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection's options, with an end to transactions in which nothing happens.

    A worker that stands still in one (a stopped process, a paused host, a cut wire) keeps its rows from everybody: the
    watchdog, which frees one car after the other, would wait for it and free nobody.
    """
    options = dict(database.get("OPTIONS", {}))
    given = options.get("options", "")
    if "idle_in_transaction_session_timeout" not in given:
        options["options"] = f"{given} -c idle_in_transaction_session_timeout={IDLE_MS}".strip()
    return options
