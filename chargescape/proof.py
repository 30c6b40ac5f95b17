"""An owner's proof bundle: every settlement's evidence, every transfer, and the ledger's chain over them.

Composed here because rewards knows no settlements and grid no chain. proof/verify.py checks it without the platform;
docs/proof.md describes it.
"""

import csv
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from foundation.sheets import harmless_cell
from grid.models import Settlement
from rewards.models import ChainLink, Earning, LedgerAccount, Transfer
from rewards.proofs import GENESIS

SCHEMA = 1
MOST_LINKS = 20_000  # other people's rows lie between an owner's: in a large ledger far more than anybody downloads
LINES = ("id", "created_at", "kind", "key", "label", "amount_minor", "currency")


@transaction.atomic
def proof_bundle(*, owner: User, now: datetime) -> dict[str, Any]:
    """Return what proves the owner's earnings, as plain JSON; nobody else's rows are in it, only their hashes."""
    accounts = list(LedgerAccount.objects.filter(owner=owner, kind=LedgerAccount.Kind.OWNER_PAYABLE).order_by("pk"))
    mine = Q(debit__in=accounts) | Q(credit__in=accounts)
    transfers = list(Transfer.objects.filter(mine).select_related("chain_link").order_by("pk"))
    settlements = Settlement.objects.filter(participation__enrollment__vehicle__owner=owner).select_related(
        "participation"
    )
    return {
        "schema": SCHEMA,
        "made_at": _instant(now),
        "owner": str(owner.public_id),
        "accounts": {
            str(account.pk): {
                "currency": account.currency,
                "posted_minor": account.credits_posted - account.debits_posted,
            }
            for account in accounts
        },
        "earnings": [_earning(one) for one in Earning.objects.filter(owner=owner).order_by("pk")],
        "settlements": [_settlement(one) for one in settlements.order_by("created_at", "pk")],
        "transfers": [_transfer(row) for row in transfers],
        "chain": _chain(transfers),
    }


def proof_archive(*, owner: User, now: datetime) -> bytes:
    """Return the bundle as a ZIP file: proof.json, and lines.csv for a spreadsheet."""
    bundle = proof_bundle(owner=owner, now=now)
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("proof.json", json.dumps(bundle, indent=1))
        parts.writestr("lines.csv", proof_lines(bundle))
    return archive.getvalue()


def proof_lines(bundle: dict[str, Any]) -> str:
    """Return the bundle's transfers as CSV, with no cell that a spreadsheet program would run."""
    sheet = StringIO()
    writer = csv.writer(sheet)
    writer.writerow(LINES)
    for row in bundle["transfers"]:
        cells = [str(row["public_id"]), *(str(row[name]) for name in LINES[1:])]
        writer.writerow([harmless_cell(cell) for cell in cells])
    return sheet.getvalue()


def _settlement(one: Settlement) -> dict[str, Any]:
    return {
        "id": str(one.public_id),
        "participation": str(one.participation.public_id),
        "revision": one.revision,
        "baseline_wh": one.baseline_wh,
        "net_wh": one.net_wh,
        "delivered_wh": one.delivered_wh,
        "credited_wh": one.credited_wh,
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "grade": one.grade,
        "created_at": _instant(one.created_at),
        "posted_at": _instant(one.posted_at) if one.posted_at else None,
        "evidence": one.evidence,
    }


def _earning(one: Earning) -> dict[str, Any]:
    return {
        "id": str(one.public_id),
        "form": one.form,
        "title": one.title,
        "period_date": one.period_date.isoformat(),
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "created_at": _instant(one.created_at),
        "calculation": one.calculation,
    }


def _transfer(row: Transfer) -> dict[str, Any]:
    return {
        "row": str(row.pk),
        "public_id": str(row.public_id),
        "key": row.key,
        "kind": row.kind,
        "debit": str(row.debit_id),
        "credit": str(row.credit_id),
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "label": row.label,
        "of": str(row.of_id) if row.of_id else None,
        "created_at": _instant(row.created_at),
        "is_sealed": _link_of(row) is not None,
    }


def _link_of(row: Transfer) -> ChainLink | None:
    return getattr(row, "chain_link", None)


def _chain(transfers: Iterable[Transfer]) -> dict[str, Any]:
    """Return the chain from the owner's first link to their last, other people's rows as hashes alone.

    Where more lie between than a bundle may hold, `rows` is empty and `links` has the owner's own links alone.
    """
    own = sorted((link for row in transfers if (link := _link_of(row)) is not None), key=lambda link: link.pk)
    if not own:
        return {"starts_after": GENESIS, "rows": [], "links": [], "ends_with": GENESIS, "own_rows": 0, "length": 0}
    first, last = own[0], own[-1]
    between = ChainLink.objects.filter(pk__gte=first.pk, pk__lte=last.pk)
    length = between.count()
    is_whole = length <= MOST_LINKS
    return {
        "starts_after": first.previous_hash,
        "rows": list(between.order_by("pk").values_list("row_hash", flat=True)) if is_whole else [],
        "links": [] if is_whole else [[link.previous_hash, link.row_hash, link.hash] for link in own],
        "ends_with": last.hash,
        "own_rows": len(own),
        "length": length,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
