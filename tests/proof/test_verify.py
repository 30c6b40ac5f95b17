"""The stand-alone script agrees with a real bundle and finds every tampering with it."""

import copy
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chargescape import proof
from chargescape.proof import proof_bundle, proof_lines
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import EventParticipation
from rewards import ledger, proofs
from rewards.flows.earnings import Due, credit, save_pay_terms
from rewards.flows.payouts import pay_now
from rewards.models import Payout
from tests.factories import grid, nights
from tests.factories.rewards import earn, payout_account

pytestmark = pytest.mark.django_db

SCRIPT = Path(__file__).parents[2] / "proof" / "verify.py"
Bundle = dict[str, Any]
Json = dict[str, Any]


def settled(owner: User, now: datetime, *, drawn_wh: int) -> EventParticipation:
    """Let one car take part in one event, be read around it, be settled and posted."""
    part = grid.participation(nights.plugged_car(owner, now=now), now=now)
    at, place = part.event.starts_at - timedelta(minutes=10), 0
    while at <= part.event.ends_at + timedelta(minutes=5):
        meter = 100_000 + place * drawn_wh
        nights.reading(part.enrollment.vehicle, at=at, soc=62, imported_wh=meter, exported_wh=5)
        at, place = at + timedelta(minutes=15), place + 1
    assert settle_due(now=part.event.settle_at, limit=10) == 1
    assert post_due_settlements(now=part.event.settle_at, limit=10) == 1
    return part


def pay_by_every_form(part: EventParticipation, *, now: datetime) -> None:
    """Credit one earning of each form of pay, one of them nothing."""
    values = {"utility": "lone-star", "currency": "USD", "time_zone": "America/Chicago", "valid_from_at": now}
    inputs: dict[str, Json] = {
        "enrollment_bonus": {"days_enrolled": 3},
        "monthly": {"events": 4, "joined": 2, "opted_out": 2, "is_whole_month": True},
        "per_event": {"settlement": str(part.settlements.get().public_id),
                      "credited_wh": part.settlements.get().credited_wh},
        "seasonal_capacity": {"events": 1, "credited_wh": 22_222, "event_seconds": 7_200},
        "pool": {"own_wh": 2, "total_wh": 3, "members": 2, "place": 0, "cents_left": 1},
    }  # fmt: skip
    forms: list[Json] = [
        {"form": "enrollment_bonus", "amount_minor": 2_500},
        {"form": "monthly", "amount_minor": 1_000, "max_opt_outs": 1},
        {"form": "per_event", "amount_minor": 200},
        {"form": "seasonal_capacity", "minor_per_kw": 64, "months": [11], "most_minor": 5_000},
        {"form": "pool", "pool_minor": 100},
    ]
    terms = save_pay_terms(program="evening-relief", version=1, values=values, forms=forms)
    assert terms is not None
    owner = part.enrollment.vehicle.owner
    for form in terms.forms:
        about = part.public_id if form["form"] == "per_event" else part.enrollment.public_id
        due = Due(owner.pk, str(owner.public_id), about, now.date(), form["form"], inputs[form["form"]])
        credit(terms=terms, form=form, due=[due], now=now)


@pytest.fixture
def bundle(alice: User, chloe: User, now: datetime) -> Bundle:
    """A settled event, a bonus, a payout and a correction of one's own, with a stranger's rows between them."""
    part = settled(alice, now, drawn_wh=37)
    later = part.event.settle_at + timedelta(hours=1)
    earn(chloe, 700, now=later)
    pay_by_every_form(part, now=later)
    bonus = earn(alice, 250, now=later, key="bonus:1")
    ledger.reverse(of=bonus, key="bonus:1:back", now=later)
    payout_account(alice, now=later)
    payout = pay_now(owner=alice, currency="USD", now=later)
    ledger.post_pending(of=payout.reservation, key=f"payout:{payout.public_id}:post", now=later)
    Payout.objects.filter(pk=payout.pk).update(state="sent", external_id="tr_1", sent_at=later)
    proofs.seal_transfers(limit=100)
    return proof_bundle(owner=alice, now=later)


def sheet(bundle: Bundle) -> str:
    return "".join(proof_lines(bundle["transfers"]))


def verify(folder: Path, bundle: Bundle, lines: str | None = None) -> tuple[int, str]:
    """Run the script as an owner would: on its own, isolated from the project."""
    path = folder / "proof.json"
    path.write_text(json.dumps(bundle))
    files = [str(path)]
    if lines is not None:
        (folder / "lines.csv").write_text(lines, newline="")
        files.append(str(folder / "lines.csv"))
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *files], capture_output=True, text=True, check=False, cwd=folder
    )
    assert not run.stderr, run.stderr
    return run.returncode, run.stdout


def test_real_bundle_is_confirmed_to_the_cent(bundle: Bundle, tmp_path: Path) -> None:
    code, told = verify(tmp_path, bundle, sheet(bundle))
    assert code == 0, told
    assert told.startswith("1 settlements and 5 other earnings recomputed to the cent, 9 transfers")


def test_bundle_names_nobody_else(bundle: Bundle, chloe: User) -> None:
    assert str(chloe.public_id) not in json.dumps(bundle)
    assert len(bundle["accounts"]) == 1


def reseal(bundle: Bundle) -> None:
    """Make the chain fit the tampered rows, as a clever forger would."""
    previous = bundle["chain"]["starts_after"]
    for row in bundle["chain"]["rows"]:
        previous = hashlib.sha256(f"{previous}\x1f{row}".encode()).hexdigest()
    bundle["chain"]["ends_with"] = previous


def _set(path: str, value: Any) -> Callable[[Bundle], None]:
    def tamper(bundle: Bundle) -> None:
        *steps, last = path.split(".")
        place: Any = bundle
        for step in steps:
            place = place[int(step)] if step.isdecimal() and isinstance(place, list) else place[step]
        old = place[int(last)] if isinstance(place, list) else place[last]
        assert old != value
        place[int(last) if isinstance(place, list) else last] = value

    return tamper


def _move_cents(bundle: Bundle) -> None:
    one = bundle["settlements"][0]
    one["amount_minor"] += 1
    one["evidence"]["result"]["amount_minor"] += 1
    next(row for row in bundle["transfers"] if row["key"].startswith("settlement:"))["amount_minor"] += 1


def _swap_links(bundle: Bundle) -> None:
    rows = bundle["chain"]["rows"]
    rows[0], rows[1] = rows[1], rows[0]


def _swap_and_reseal(bundle: Bundle) -> None:
    _swap_links(bundle)
    bundle["chain"]["starts_after"] = "1" * 64


def _replace_own_row(bundle: Bundle) -> None:
    bundle["chain"]["rows"][0] = "2" * 64
    reseal(bundle)


TAMPERS: dict[str, Callable[[Bundle], None]] = {
    "amount-of-the-settlement": _set("settlements.0.amount_minor", 1),
    "amount-everywhere": _move_cents,
    "rate": _set("settlements.0.evidence.reward.rate_micros_per_kwh", 3_000_000),
    "currency": _set("settlements.0.currency", "CAD"),
    "capacity": _set("settlements.0.evidence.car.capacity_wh", 20_000),
    "power": _set("settlements.0.evidence.car.power_w", 9_000),
    "plug-in": _set("settlements.0.evidence.stays.0.soc_percent", "88.00"),
    "reading": _set("settlements.0.evidence.readings.1.imported_wh", 99_999),
    "event-end": _set("settlements.0.evidence.event.ends_at", "2026-11-19T03:00:00+00:00"),
    "event-kind": _set("settlements.0.evidence.event.kind", "absorb"),
    "method": _set("settlements.0.evidence.method.version", 3),
    "baseline": _set("settlements.0.baseline_wh", 1),
    "never-posted": _set("settlements.0.posted_at", None),
    "settlement-gone": lambda bundle: bundle["settlements"].clear(),
    "transfer-gone": lambda bundle: bundle["transfers"].pop(0),
    "transfer-twice": lambda bundle: bundle["transfers"].append(bundle["transfers"][0]),
    "transfer-amount": _set("transfers.1.amount_minor", 999),
    "transfer-label": _set("transfers.1.label", "Something else"),
    "transfer-key": _set("transfers.1.key", "bonus:2"),
    "transfer-time": _set("transfers.1.created_at", "2026-01-01T00:00:00.000000+00:00"),
    "transfer-account": _set("transfers.1.credit", "4711"),
    "balance": lambda bundle: next(iter(bundle["accounts"].values())).update(posted_minor=5),
    "chain-order": _swap_links,
    "chain-order-and-start": _swap_and_reseal,
    "chain-row-gone": lambda bundle: bundle["chain"]["rows"].pop(1),
    "chain-end": _set("chain.ends_with", "0" * 64),
    "own-row-replaced": _replace_own_row,
    "bonus": _set("earnings.0.amount_minor", 9_999),
    "bonus-terms": _set("earnings.0.calculation.terms.amount_minor", 9_999),
    "opt-outs": _set("earnings.1.calculation.inputs.opted_out", 0),
    "delivered-in-the-event": _set("earnings.2.calculation.inputs.credited_wh", 1),
    "season": _set("earnings.3.calculation.inputs.event_seconds", 3_600),
    "place-in-the-pool": _set("earnings.4.calculation.inputs.place", 1),
    "form-of-pay": _set("earnings.4.calculation.terms.form", "lottery"),
    "earning-gone": lambda bundle: bundle["earnings"].pop(0),
    "part-missing": lambda bundle: bundle.pop("chain"),
}


@pytest.mark.parametrize("tamper", TAMPERS.values(), ids=TAMPERS.keys())
def test_each_tampering_is_found(bundle: Bundle, tmp_path: Path, tamper: Callable[[Bundle], None]) -> None:
    forged = copy.deepcopy(bundle)
    tamper(forged)
    code, told = verify(tmp_path, forged)
    assert code == 1
    assert told.strip()


def test_long_chain_is_left_out_but_for_the_owners_own_links(
    alice: User, bundle: Bundle, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "MOST_LINKS", 3)
    short = proof_bundle(owner=alice, now=now)
    assert short["chain"]["rows"] == []
    code, told = verify(tmp_path, short)
    assert code == 0, told
    assert "more than a bundle holds" in told

    for tamper in (_set("chain.links.1.0", "1" * 64), _set("chain.links.1.1", "1" * 64),
                   _set("transfers.1.label", "Something else")):  # fmt: skip
        forged = copy.deepcopy(short)
        tamper(forged)
        assert verify(tmp_path, forged)[0] == 1


def test_sheet_that_says_something_else_is_found(bundle: Bundle, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(sheet(bundle))))
    rows[0]["amount_minor"] = "99999"
    changed = io.StringIO()
    lines = csv.DictWriter(changed, list(rows[0]))
    lines.writeheader()
    lines.writerows(rows)
    code, told = verify(tmp_path, bundle, changed.getvalue())
    assert code == 1
    assert "99999" in told


def test_sheet_runs_no_formula(alice: User, bundle: Bundle) -> None:
    bundle["transfers"][0]["label"] = '=cmd|"/c calc"!A1'
    labels = [row["label"] for row in csv.DictReader(io.StringIO(sheet(bundle)))]
    assert labels[0].startswith("'=")


def test_owner_without_earnings_has_an_empty_proof(charlie: User, now: datetime, tmp_path: Path) -> None:
    code, told = verify(tmp_path, proof_bundle(owner=charlie, now=now))
    assert (code, told.split()[0]) == (0, "0")


def test_owner_downloads_own_proof_and_nobody_elses(
    client: Client, bundle: Bundle, alice: User, charlie: User, tmp_path: Path
) -> None:
    assert client.get("/earnings/proof.zip").status_code == 302
    client.force_login(alice)
    assert "/earnings/proof.zip" in client.get("/earnings/").content.decode()
    answer = client.get("/earnings/proof.zip")
    assert answer["Cache-Control"] == "no-store, private"
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as parts:
        whole = json.loads(parts.read("proof.json"))
        assert verify(tmp_path, whole, parts.read("lines.csv").decode())[0] == 0
    assert client.get("/api/v1/proof/").json()["transfers"] == whole["transfers"]
    client.force_login(charlie)
    assert client.get("/api/v1/proof/").json()["transfers"] == []
