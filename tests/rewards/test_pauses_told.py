"""A pause of all payouts is told to owners plainly, on their page and through the API."""

from datetime import datetime

import pytest
from django.test import Client

from accounts.models import User
from rewards.flows.pauses import pause_payouts
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db


def test_owner_reads_why_and_what_happens_next(client: Client, alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    earn(alice, 250, now=now)
    client.force_login(alice)
    assert client.get("/api/v1/payouts/pause/").json() == {"is_paused": False, "since": None, "detail": ""}
    assert ">Pay me now<" in client.get("/payouts/").content.decode()

    pause_payouts(reason="3 rows differ from the processor's books", now=now)
    told = client.get("/api/v1/payouts/pause/").json()
    assert told["is_paused"] is True
    for text in (told["detail"], client.get("/payouts/").content.decode(), client.get("/earnings/").content.decode()):
        assert "payouts go on by themselves" in text
        assert "3 rows" not in text  # what differs is ours to know
    assert ">Pay me now<" not in client.get("/payouts/").content.decode()
    refused = client.post("/api/v1/payouts/pay-now/", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "payouts_paused")
