"""A share of a group's result told so that its owner can follow it to the cent, and why it is pending."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import User
from grid.flows.owners.explaining import explain_settlement
from grid.flows.settlement.settling import settle_due
from grid.models import EventParticipation, GroupSettlement, Settlement
from tests.grid.flows.settlement.group_events import event, owner, take_part, took

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def share(alice: User, now: datetime) -> Settlement:
    """Alice's share in a group of three; the result may be objected to for a day."""
    of = event(now=now, objection_hours=24)
    mine = take_part(of, alice, now=now, committed=20_000)
    others = [take_part(of, owner(number), now=now, committed=10_000) for number in range(2)]
    for part, wh in zip((mine, *others), (0, 12_600, 2_600), strict=True):
        took(part, wh)
    settle_due(now=of.settle_at, limit=10)
    return Settlement.objects.select_related("group").get(participation=mine)


def test_every_step_to_the_cent_is_told(share: Settlement) -> None:
    explanation = explain_settlement(settlement=share, zone=CHICAGO)

    told = [(step.title, step.value, step.unit) for step in explanation.steps[-5:]]
    # 22,600 + 10,000 + 20,000 Wh at 2.00 a kWh, of which half.
    assert told == [
        ("All cars together", "52,600", "Wh"),
        ("The utility owes for all", "105.20", "USD"),
        ("Your car's weight", "20,000", ""),
        ("Your share of the energy", "26,300", "Wh"),
        ("You earn", "52.60", "USD"),
    ]
    assert ("Delivered", "22,600", "Wh") in [(step.title, step.value, step.unit) for step in explanation.steps]
    assert "All weights together: 40,000." in explanation.steps[-3].text
    assert explanation.amount_minor == share.amount_minor == 5_260
    assert explanation.pending_text.startswith("Pending until")


def test_pages_and_the_api_tell_the_share(share: Settlement, alice: User, client: Client) -> None:
    client.force_login(alice)

    page = client.get(f"/earnings/{share.public_id}/").content.decode()
    assert "All cars together" in page
    assert "Pending until" in page
    told = client.get(f"/api/v1/settlements/{share.public_id}/").json()
    assert told["group"]["delivered_wh"] == 52_600
    assert (told["share"]["weight"], told["share"]["weights"]) == (20_000, 40_000)
    assert "members" not in told["group"]


def test_unknown_group_and_a_control_are_told_plainly(share: Settlement, alice: User, client: Client) -> None:
    GroupSettlement.objects.update(delivered_wh=None, amount_minor=0)
    assert share.group is not None
    share.group.refresh_from_db()
    assert "No number is made up" in explain_settlement(settlement=share, zone=CHICAGO).steps[-2].text
    EventParticipation.objects.filter(pk=share.participation_id).update(state=EventParticipation.State.CONTROL)
    client.force_login(alice)
    assert client.get(f"/events/{share.participation.public_id}/").status_code == 200
