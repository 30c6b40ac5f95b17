"""The year's meter, its thresholds by date, and the accountant's sheet."""

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.test import Client

from accounts.models import User
from foundation import clock
from foundation.sheets import harmless_cell
from rewards import ledger
from rewards.flows.payouts import pay_now
from rewards.flows.taxes import export_tax_year, set_tax_form, tax_meters
from rewards.models import Payout, PayoutAccount
from rewards.refusals import UnableToSetUpPayouts
from rewards.taxes import threshold_of
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db


def pay(owner: User, amount_minor: int, at: datetime) -> Payout:
    """Pay an owner at `at`, as a carried-out payout does."""
    earn(owner, amount_minor, now=at)
    payout = pay_now(owner=owner, currency=owner.currency, now=at)
    ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=at)
    Payout.objects.filter(pk=payout.pk).update(state="sent", sent_at=at, external_id=f"tr_{payout.pk}")
    return payout


@pytest.mark.parametrize(
    ("country", "currency", "year", "amount_minor"),
    [("US", "USD", 2025, 60_000), ("US", "USD", 2026, 200_000), ("CA", "CAD", 2026, 50_000)],
)
def test_threshold_is_the_one_in_force(country: str, currency: str, year: int, amount_minor: int) -> None:
    found = threshold_of(country=country, currency=currency, year=year)
    assert found is not None
    assert found.amount_minor == amount_minor


def test_nothing_is_said_of_an_unknown_country() -> None:
    assert threshold_of(country="MX", currency="MXN", year=2026) is None


def test_meter_counts_by_payment_date_in_the_owners_year_net_of_reversals(alice: User, now: datetime) -> None:
    payout_account(alice, now=now)
    new_year_utc = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)  # still the old year in Texas
    pay(alice, 1_000, new_year_utc)
    pay(alice, 2_000, datetime(2026, 1, 1, 7, 0, tzinfo=UTC))
    wrong = pay(alice, 500, now)
    earn(alice, 900, now=now)  # earned, not paid
    [meter] = tax_meters(alice, now=now)
    assert (meter.year, meter.paid_minor, meter.payments) == (2026, 2_500, 2)
    wrong.reservation.refresh_from_db()
    ledger.reverse(of=wrong.reservation.ended_by, key="back", now=now)
    [meter] = tax_meters(alice, now=now)
    assert meter.paid_minor == 2_000
    assert meter.left_minor == 198_000
    [last_year] = tax_meters(alice, now=now, year=2025)
    assert (last_year.paid_minor, last_year.threshold.amount_minor if last_year.threshold else 0) == (1_000, 60_000)


def test_currencies_are_never_netted_and_owners_never_mixed(alice: User, chloe: User, now: datetime) -> None:
    for owner in (alice, chloe):
        payout_account(owner, now=now)
    pay(alice, 700, now)
    pay(chloe, 50_000, now)
    assert [(m.currency, m.paid_minor, m.is_reported) for m in tax_meters(alice, now=now)] == [("USD", 700, False)]
    assert [(m.currency, m.paid_minor, m.is_reported) for m in tax_meters(chloe, now=now)] == [("CAD", 50_000, True)]


def test_sheet_has_a_line_for_each_account_that_was_paid_and_runs_no_formula(
    alice: User, bob: User, now: datetime
) -> None:
    alice.name = '=HYPERLINK("http://evil.example","x")'
    alice.save()
    for owner in (alice, bob):
        payout_account(owner, now=now)
    pay(alice, 12_345, now)
    accounts = PayoutAccount.objects.select_related("owner").order_by("pk")
    heading, *lines = csv.reader(StringIO(export_tax_year(accounts=accounts, year=2026)))
    [line] = lines
    row = dict(zip(heading, line, strict=True))
    assert (row["paid"], row["threshold"], row["w9_w8"]) == ("123.45", "2000.00", "missing")
    assert row["name"].startswith("'=")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_that_could_run_are_quoted_and_numbers_are_not(start: str) -> None:
    assert harmless_cell(f"{start}cmd") == f"'{start}cmd"
    assert harmless_cell("-12.50") == "-12.50"
    assert harmless_cell("Event 2026-11-18") == "Event 2026-11-18"


def test_admin_notes_forms_and_downloads_the_sheet(client: Client, alice: User, ada: User) -> None:
    account = payout_account(alice, now=clock.now())
    pay(alice, 4_200, clock.now())
    client.force_login(ada)
    chosen = {"_selected_action": account.pk}
    for action, form in (("ask_tax_form", "requested"), ("note_w8", "w8"), ("note_w9", "w9")):
        client.post("/admin/rewards/payoutaccount/", {"action": action, **chosen})
        account.refresh_from_db()
        assert account.tax_form == form
    sheet = client.post("/admin/rewards/payoutaccount/", {"action": "export_this_year", **chosen})
    assert sheet["Content-Type"].startswith("text/csv")
    assert b"42.00" in sheet.content
    assert (
        b"alice@" not in client.post("/admin/rewards/payoutaccount/", {"action": "export_last_year", **chosen}).content
    )
    with pytest.raises(UnableToSetUpPayouts):
        set_tax_form(account=account, tax_form="w7")


def test_owner_sees_the_meter_marked_as_information(client: Client, alice: User, charlie: User) -> None:
    payout_account(alice, now=clock.now())
    pay(alice, 4_200, clock.now())
    client.force_login(alice)
    page = client.get("/payouts/").content.decode()
    assert "Information, not tax advice." in page
    [meter] = client.get("/api/v1/taxes/").json()
    assert (meter["paid_minor"], meter["threshold_minor"], meter["tax_form"]) == (4_200, 200_000, "missing")
    client.force_login(charlie)
    assert [one["paid_minor"] for one in client.get("/api/v1/taxes/").json()] == [0]
