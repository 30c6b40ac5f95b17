"""The watchdog's work: no car stays held when everything else is down. Needs the database and HTTPS, nothing more."""

from datetime import datetime

from vehicles.flows import confirming, releases, sending

CARS_A_ROUND = 500


def release_expired_holds(*, now: datetime, workers: int = 1) -> int:
    """End every hold that is over or no longer allowed, go on until readings show it, and return what was done.

    The count is of cars found held too long, releases sent and releases confirmed. Anybody may call it, at any time,
    several at once: claims in the database keep one release from being sent twice at once. `workers` cars are worked
    on side by side.
    """
    releases.end_timed_holds(now=now)
    sending.recover_lost_senders(now=now)
    found = releases.release_due(now=now, limit=CARS_A_ROUND)
    sent = sending.send_resumes(now=now, limit=CARS_A_ROUND, workers=workers)
    return found + sent + confirming.confirm_resumes(now=now, limit=CARS_A_ROUND, workers=workers)
