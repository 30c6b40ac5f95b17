"""Staff at work for a utility: people invited, objections judged by two, invoices sent and paid through the admin."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from foundation import clock
from grid.flows.settlement.invoicing import draft_invoice
from grid.flows.settlement.reviewing import approve_group, object_to_group
from grid.flows.settlement.settling import post_due_settlements
from grid.models import Dispute, GroupSettlement, UtilityMember
from tests.desk_world import DeskWorld, build_desk
from tests.page_world import stop_clock

pytestmark = pytest.mark.once


@pytest.fixture
def desk(db: None, now: datetime) -> DeskWorld:
    """A result of three cars under review."""
    return build_desk(now=now, cars=3)


@pytest.fixture
def grace(db: None) -> User:
    """A second admin."""
    return User.objects.create_superuser("grace@example.org", "charge-the-grid", name="Grace")


def at(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def step(client: Client, row: Any, verb: str, **typed: str) -> None:
    address = reverse(f"admin:grid_{row._meta.model_name}_{verb}", args=[row.pk])
    assert client.get(address).status_code == 200
    assert client.post(address, typed).status_code == 302
    row.refresh_from_db()


def test_invited_person_gets_a_letter_and_an_account_without_a_password(desk: DeskWorld, ada: User) -> None:
    client, address = at(ada), reverse("admin:grid_utilitymember_add")
    typed = {"email": "Eve@LoneStar.example", "name": "Eve", "utility": desk.utility.pk, "role": "reviewer"}
    assert client.post(address, typed).status_code == 302
    member = UtilityMember.objects.get(user__email="eve@lonestar.example")
    assert (member.role, member.invited_by, member.user.has_usable_password()) == ("reviewer", ada, False)
    assert [letter.to for letter in mail.outbox] == [["eve@lonestar.example"]]
    again = client.post(address, typed)
    assert "has an account" in again.content.decode()
    chosen = {"action": "end", "_selected_action": [member.pk]}
    client.post(reverse("admin:grid_utilitymember_changelist"), chosen)
    member.refresh_from_db()
    assert member.ended_at is not None
    assert client.get(reverse("admin:grid_utilitymember_change", args=[member.pk])).status_code == 200


def test_objection_is_judged_by_two_admins(desk: DeskWorld, ada: User, grace: User) -> None:
    dispute = object_to_group(group=desk.group, reason="Too much", raised_by=desk.lead, now=desk.settled_at)
    step(at(ada), dispute, "uphold", note="So it is", cars="nonsense")
    assert dispute.proposed_by is None
    step(at(ada), dispute, "reject", note="It is right")
    step(at(ada), dispute, "reject", note="It is right")
    assert dispute.state == Dispute.State.OPEN
    assert "Ada proposes" in at(grace).get(reverse("admin:grid_dispute_changelist")).content.decode()
    step(at(grace), dispute, "reject", note="It is right")
    assert (dispute.state, dispute.resolved_by) == (Dispute.State.REJECTED, grace)
    desk.group.refresh_from_db()
    assert desk.group.review == GroupSettlement.Review.LAPSED


def test_invoice_is_sent_recorded_and_confirmed_by_another(
    desk: DeskWorld, ada: User, grace: User, settings: Any, tmp_path: Path
) -> None:
    approve_group(group=desk.group, reviewed_by=desk.lead, now=desk.settled_at)
    post_due_settlements(now=desk.settled_at, limit=100)
    stop_clock(settings, tmp_path, desk.settled_at + timedelta(days=20))
    invoice = draft_invoice(utility=desk.utility, month_date=date(2026, 11, 1), now=clock.now())
    assert invoice is not None
    step(at(ada), invoice, "send")
    assert (invoice.state, invoice.number, invoice.sent_by) == ("sent", 1, ada)
    step(at(ada), invoice, "record", note="WIRE 77")
    step(at(ada), invoice, "confirm")
    assert invoice.state == "sent"
    page = at(grace).get(reverse("admin:grid_invoice_change", args=[invoice.pk])).content.decode()
    assert "Recorded by Ada" in page
    step(at(grace), invoice, "confirm")
    assert (invoice.state, invoice.confirmed_by, invoice.payment_reference) == ("paid", grace, "WIRE 77")
    assert (
        at(User.objects.create_user("s@example.org", None, is_staff=True))
        .get(reverse("admin:grid_invoice_void", args=[invoice.pk]))
        .status_code
        == 403
    )
