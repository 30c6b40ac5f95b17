"""A thousand callers want one grant renewed at the same moment: the maker is asked once, and all get its token."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections

from accounts.models import User
from foundation import clock
from tests.factories import vehicles as make
from tests.vehicles.maker_double import MakerDouble
from vehicles import gateway
from vehicles.models import VehicleLink

CALLERS = 1000
# So many stand at the door together, each on a database connection of its own; the others come right behind them
# with the same old token. A PostgreSQL server takes no more than its connections.
AT_ONCE = 100 if connection.vendor == "postgresql" or not os.environ.get("CHARGESCAPE_FULL") else CALLERS

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("why", ["expired", "rejected"])
def test_a_thousand_callers_lead_to_one_refresh(alice: User, maker: MakerDouble, now: datetime, why: str) -> None:
    maker.refresh_seconds = 0.3
    link = make.link(alice)
    if why == "expired":
        VehicleLink.objects.update(access_expires_at=clock.wall() - timedelta(seconds=1))
    start = threading.Barrier(AT_ONCE)

    def ask(_number: int) -> list[str]:
        start.wait(60)
        rejected = "access-one" if why == "rejected" else ""
        try:
            return [
                gateway.access_token(VehicleLink.objects.get(pk=link.pk), rejected=rejected)
                for _ in range(CALLERS // AT_ONCE)
            ]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        tokens = [token for some in threads.map(ask, range(AT_ONCE)) for token in some]

    assert len(tokens) == CALLERS
    assert set(tokens) == {"access-new-1"}
    assert maker.counts["token"] == 1
    assert VehicleLink.objects.get().refresh_token == "refresh-new-1"
