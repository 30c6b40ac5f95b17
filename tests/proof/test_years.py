"""A year's proof stands alone, and the years add up to the whole."""

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chargescape.proof import proof_bundle
from grid.flows.settlement.settling import post_due_settlements
from grid.metering import evidence
from grid.metering.settlement import settle
from grid.models import Settlement
from rewards import ledger, proofs
from rewards.flows.payouts import pay_now
from rewards.models import Payout
from tests.factories.rewards import earn, payout_account
from tests.proof.test_verify import Bundle, pay_by_every_form, settled, sheet, verify

pytestmark = pytest.mark.django_db

LATE = datetime(2027, 1, 3, tzinfo=UTC)


def corrected(first: Settlement, *, drawn_wh: int) -> Settlement:
    """Return the settlement's next revision, as readings of a slower meter make it."""
    case = evidence.read(first.evidence)
    slower = enumerate(case.readings)
    readings = tuple(one._replace(imported_wh=100_000 + place * drawn_wh) for place, one in slower)
    case = dataclasses.replace(case, readings=readings)
    result = settle(case)
    return Settlement(
        participation=first.participation,
        revision=2,
        method=first.method,
        reward_micros_per_kwh=first.reward_micros_per_kwh,
        currency=first.currency,
        evidence=evidence.write(case, result),
        created_at=LATE,
        **{
            name: getattr(result, name)
            for name in ("baseline_wh", "net_wh", "delivered_wh", "credited_wh", "amount_minor", "grade", "reason")
        },
    )


@pytest.fixture
def turn(alice: User, chloe: User, now: datetime) -> User:
    """Alice at the turn of a year: a payout asked for before it and sent after it, a settlement corrected across it."""
    part = settled(alice, now, drawn_wh=37)
    payout_account(alice, now=now)
    midnight = datetime(2027, 1, 1, tzinfo=alice.zone)
    payout = pay_now(owner=alice, currency="USD", now=midnight - timedelta(minutes=1))
    earn(chloe, 700, now=LATE)
    pay_by_every_form(part, now=LATE)
    corrected(part.settlements.get(), drawn_wh=12).save()
    assert post_due_settlements(now=LATE, limit=10) == 1
    ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=LATE)
    Payout.objects.filter(pk=payout.pk).update(state="sent", external_id="tr_1", sent_at=LATE)
    proofs.seal_transfers(limit=100)
    return alice


def test_years_are_proven_one_by_one_and_add_up(turn: User, tmp_path: Path) -> None:
    years = {year: proof_bundle(owner=turn, now=LATE, year=year) for year in (2025, 2026, 2027, 2028)}
    for year, bundle in years.items():
        code, told = verify(tmp_path, bundle, sheet(bundle))
        assert code == 0, (year, told)
    (account,) = years[2026]["accounts"]
    balances = [(year["accounts"][account]["opening_minor"], year["accounts"][account]["posted_minor"])
                for year in years.values()]  # fmt: skip
    assert balances[0] == (0, 0)
    assert [closing for _, closing in balances[:-1]] == [opening for opening, _ in balances[1:]]
    assert [len(year["settlements"]) for year in years.values()] == [0, 1, 2, 0]
    assert [len(year["earnings"]) for year in years.values()] == [0, 0, 5, 0]
    whole = proof_bundle(owner=turn, now=LATE)
    assert balances[-1][1] == whole["accounts"][account]["posted_minor"]
    # The payout's reservation is of the year before: it is in this one, too, because this year's row ends it.
    assert years[2027]["transfers"][0] in years[2026]["transfers"]
    assert len(years[2026]["transfers"]) + len(years[2027]["transfers"]) - 1 == len(whole["transfers"])


def test_year_is_proven_before_its_rows_are_sealed(turn: User, tmp_path: Path) -> None:
    later = datetime(2028, 2, 1, tzinfo=UTC)
    earn(turn, 700, now=later, key="bonus:2028")
    code, told = verify(tmp_path, proof_bundle(owner=turn, now=later, year=2028))
    assert code == 0, told


TAMPERS: dict[str, Callable[[Bundle], Any]] = {
    "period": lambda bundle: bundle["period"].update(starts_at="2027-01-03T01:00:00+00:00"),
    "earlier-revision": lambda bundle: bundle["settlements"][0].update(amount_minor=1),
    "opening": lambda bundle: next(iter(bundle["accounts"].values())).update(opening_minor=5),
    "what-is-ended": lambda bundle: bundle["transfers"].pop(0),
    "its-amount": lambda bundle: bundle["transfers"][0].update(amount_minor=1),
    "its-link": lambda bundle: bundle["chain"]["links"].clear(),
}


@pytest.mark.parametrize("tamper", TAMPERS.values(), ids=TAMPERS.keys())
def test_each_tampering_with_a_year_is_found(turn: User, tmp_path: Path, tamper: Callable[[Bundle], Any]) -> None:
    forged = proof_bundle(owner=turn, now=LATE, year=2027)
    tamper(forged)
    code, told = verify(tmp_path, forged)
    assert code == 1
    assert told.strip()


def test_owner_downloads_one_year(client: Client, turn: User, tmp_path: Path) -> None:
    client.force_login(turn)
    answer = client.get("/earnings/proof.zip?year=2027")
    assert "chargescape-proof-2027.zip" in answer["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as parts:
        year = json.loads(parts.read("proof.json"))
        code, told = verify(tmp_path, year, parts.read("lines.csv").decode())
    assert code == 0, told
    assert client.get("/api/v1/proof/?year=2027").json()["transfers"] == year["transfers"]


@pytest.mark.parametrize("year", ["last", "27", "99999"])
def test_year_that_is_none_is_refused(client: Client, alice: User, year: str) -> None:
    client.force_login(alice)
    assert client.get(f"/earnings/proof.zip?year={year}").status_code == 404
    assert client.get(f"/api/v1/proof/?year={year}").status_code == 400
