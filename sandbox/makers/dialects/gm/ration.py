"""GM's ration of reads: one per car every half hour, a few of them in advance; whoever asks more often is refused.

The owner's own app draws from the same ration.
"""

from datetime import datetime, timedelta

from sandbox.cars.models import Car
from sandbox.makers.access import Refused

EVERY = timedelta(minutes=30)
IN_ADVANCE = 4  # linking a car and looking after a command take some reads at once


def draw_read(car: Car, *, now: datetime) -> None:
    """Take one read off the car's ration; raises Refused where it is used up."""
    used_until = max(now, car.reads_used_until or now)
    if used_until + EVERY > now + IN_ADVANCE * EVERY:
        raise Refused(429, "Vehicle was asked too often")
    car.reads_used_until = used_until + EVERY
    car.save(update_fields=["reads_used_until"])
