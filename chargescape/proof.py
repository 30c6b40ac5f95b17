"""An owner's proof bundle: every settlement's evidence, every transfer, and the ledger's chain over them.

Composed here because rewards knows no settlements and grid no chain. Written row by row, so that many years take no
more memory than one. proof/verify.py checks it without the platform; docs/proof.md describes it.
"""

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet

from accounts.models import User
from chargescape.proof_rows import ProofRows, Year
from foundation.sheets import harmless_cell
from grid.models import GroupSettlement, Settlement
from rewards.models import ChainLink, Earning, Transfer
from rewards.proofs import GENESIS

SCHEMA = 1
MOST_LINKS = 20_000  # other people's rows lie between an owner's: in a large ledger far more than anybody downloads
MOST_MEMBERS = 5_000  # of a group, told one by one; of a larger one the hash alone
LINES = ("id", "created_at", "kind", "key", "label", "amount_minor", "currency")
CHUNK = 500
IN_MEMORY_BYTES = 1_000_000  # a longer archive is kept in a file while it is written


def proof_bundle(*, owner: User, now: datetime, year: int | None = None) -> dict[str, Any]:
    """Return what proves the owner's earnings, as plain JSON; nobody else's rows are in it, only their hashes.

    `year` is a calendar year in the owner's time zone; without it everything is in the bundle.
    """
    with _snapshot():
        bundle: dict[str, Any] = json.loads("".join(_pieces(_rows(owner, year), now=now)))
    return bundle


def proof_archive(*, owner: User, now: datetime, year: int | None = None) -> IO[bytes]:
    """Return the bundle as an open ZIP file: proof.json, and lines.csv for a spreadsheet. The caller closes it."""
    archive: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - handed to the caller
    rows = _rows(owner, year)
    with _snapshot(), zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, pieces in (
            ("proof.json", _pieces(rows, now=now)),
            ("lines.csv", proof_lines(_transfer(row) for row in rows.transfers().iterator(CHUNK))),
        ):
            with parts.open(name, "w") as part:
                for piece in pieces:
                    part.write(piece.encode())
    archive.seek(0)
    return archive


def proof_lines(transfers: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the bundle's transfers as lines of CSV, with no cell that a spreadsheet program would run."""
    yield _line(LINES)
    for row in transfers:
        yield _line([str(row["public_id"]), *(str(row[name]) for name in LINES[1:])])


def _line(cells: Iterable[str]) -> str:
    sheet = StringIO()
    csv.writer(sheet).writerow([harmless_cell(cell) for cell in cells])
    return sheet.getvalue()


def _rows(owner: User, year: int | None) -> ProofRows:
    return ProofRows(owner, None if year is None else Year.of(year, zone=owner.zone))


@contextmanager
def _snapshot() -> Iterator[None]:
    """Let every query of the block see one moment, so that balances and rows agree while others write."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _pieces(rows: ProofRows, *, now: datetime) -> Iterator[str]:
    """Yield the bundle's JSON, piece by piece."""
    head = {
        "schema": SCHEMA,
        "made_at": _instant(now),
        "owner": str(rows.owner.public_id),
        "period": None
        if rows.year is None
        else {
            "year": rows.year.number,
            "starts_at": _instant(rows.year.starts_at),
            "ends_at": _instant(rows.year.ends_at),
        },
        "accounts": rows.accounts(),
    }
    yield json.dumps(head, indent=1).removesuffix("\n}")
    yield from _list("earnings", rows.earnings(), _earning)
    yield from _list("settlements", rows.settlements(), _settlement)
    yield from _list("groups", rows.groups(), _group)
    yield from _list("transfers", rows.transfers(), _transfer)
    yield from _chain(rows)
    yield "\n}"


def _list(name: str, found: "QuerySet[Any]", write: "Callable[[Any], Any]") -> Iterator[str]:
    yield f',\n "{name}": ['
    for number, row in enumerate(found.iterator(CHUNK)):
        yield (",\n" if number else "\n") + json.dumps(write(row))
    yield "]"


def _chain(rows: ProofRows) -> Iterator[str]:
    """Yield the chain from the first link of the owner's rows to their last, other people's rows as hashes alone.

    Where more lie between than a bundle may hold, `rows` is empty and `links` has the owner's own links alone. Rows of
    earlier years, which this year's end, have their own links there, too.
    """
    own = ChainLink.objects.filter(transfer__in=rows.transfers_within().order_by())
    span = own.aggregate(first=Min("pk"), last=Max("pk"))
    between = ChainLink.objects.filter(pk__gte=span["first"] or 0, pk__lte=span["last"] or 0).order_by("pk")
    length = between.count()
    is_whole = length <= MOST_LINKS
    every = ChainLink.objects.filter(transfer__in=rows.transfers().order_by())
    head = {
        "starts_after": between[0].previous_hash if length else GENESIS,
        "ends_with": between.reverse()[0].hash if length else GENESIS,
        "own_rows": every.count(),
        "length": length,
        "is_whole": is_whole,
    }
    yield ',\n "chain": ' + json.dumps(head).removesuffix("}")
    yield from _list("rows", between if is_whole else between.none(), lambda link: link.row_hash)
    apart = every.exclude(pk__in=between.values("pk")) if is_whole else every
    yield from _list("links", apart.order_by("pk"), lambda link: [link.previous_hash, link.row_hash, link.hash])
    yield "}"


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
        "group": str(one.group.public_id) if one.group else None,
        "share": one.share,
        "evidence": one.evidence,
    }


def _group(one: GroupSettlement) -> dict[str, Any]:
    """Return a group's result; the members of a very large one are told by their number and hash alone."""
    evidence = one.evidence
    count = len(evidence["members"]["roles"])
    if count > MOST_MEMBERS:
        told = json.dumps(evidence["members"], sort_keys=True, separators=(",", ":"))
        evidence = {**evidence, "members": {"count": count, "sha256": hashlib.sha256(told.encode()).hexdigest()}}
    return {
        "id": str(one.public_id),
        "revision": one.revision,
        "method": {"name": one.method, "version": one.method_version},
        "baseline_wh": one.baseline_wh,
        "net_wh": one.net_wh,
        "delivered_wh": one.delivered_wh,
        "error_wh": one.error_wh,
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "review": one.review,
        "created_at": _instant(one.created_at),
        "evidence": evidence,
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
        "is_sealed": getattr(row, "chain_link", None) is not None,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
