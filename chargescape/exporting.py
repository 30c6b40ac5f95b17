"""A copy of everything held about an owner: asked for, made as a zip file of JSON and CSV, fetched, forgotten."""

import csv
import io
import json
import logging
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models import BinaryField, F, Field, Model, Q
from django.utils import translation
from django.utils.translation import gettext

from accounts.flows.notices import notify
from accounts.models import User
from chargescape.holdings import HOLDINGS, TOPICS, Holding, fields_of
from chargescape.owner_asks import DataExport
from foundation import clock
from foundation.fields import cipher
from foundation.refusals import Refusal
from foundation.sheets import harmless_cell
from vehicles.models import ChargeReading

logger = logging.getLogger(__name__)

SCHEMA = 1
KEPT_FOR = timedelta(hours=24)
LINK_SECONDS = 15 * 60
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 3
READINGS_AT_ONCE = 5_000  # an owner with fewer has the file made while the page loads
CHUNK = 1_000
SALT = "chargescape.export"


class UnableToExport(Refusal):
    """Nothing was handed out."""


def request_export(*, owner: User, now: datetime) -> DataExport:
    """Ask for a copy of everything held about the owner, and return the row; one that is under way is the one."""
    try:
        with transaction.atomic():
            return DataExport.objects.create(user=owner, requested_at=now, expires_at=clock.wall() + KEPT_FOR)
    except IntegrityError:
        return DataExport.objects.get(user=owner, state=DataExport.State.DUE)


def is_quick(owner: User) -> bool:
    """Say whether the owner's copy is made fast enough to wait for it."""
    readings = ChargeReading.objects.filter(vehicle__owner=owner).order_by()
    return len(readings.values_list("pk")[: READINGS_AT_ONCE + 1]) <= READINGS_AT_ONCE


def make_due_exports(*, now: datetime, limit: int, only: DataExport | None = None) -> int:
    """Make the copies that were asked for, oldest first; returns how many. Copies over a day old are forgotten."""
    at = clock.wall()
    DataExport.objects.filter(expires_at__lte=at).delete()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=at)
    due = DataExport.objects.filter(free, state=DataExport.State.DUE).select_related("user").order_by("pk")
    made = 0
    for export in due.filter(pk=only.pk) if only else due[:limit]:
        claimed = DataExport.objects.filter(free, pk=export.pk, state=DataExport.State.DUE)
        if not claimed.update(lease_until=at + LEASE, attempts=F("attempts") + 1):
            continue
        try:
            content, rows = archive_of(export.user, now=now)
        except Exception:
            logger.exception("export %s could not be made", export.public_id)
            given_up = DataExport.objects.filter(pk=export.pk, attempts__gte=MOST_ATTEMPTS)
            given_up.update(state=DataExport.State.FAILED)
            continue
        DataExport.objects.filter(pk=export.pk).update(
            state=DataExport.State.READY,
            content=cipher().encrypt(content),
            size_bytes=len(content),
            row_count=rows,
            ready_at=now,
            lease_until=None,
        )
        if only is None:  # nobody waits on the page for it
            key = f"export:{export.public_id}"
            notify(user=export.user, kind="export_ready", key=key, params={}, now=now)
        made += 1
    return made


def export_token(export: DataExport) -> str:
    """Return what opens the export for the next quarter of an hour, whoever shows it."""
    return signing.TimestampSigner(salt=SALT).sign(str(export.public_id))


def open_export(token: str) -> tuple[DataExport, bytes]:
    """Return the export that a token opens, and its zip file; raises UnableToExport for one that opens nothing."""
    try:
        public_id = UUID(signing.TimestampSigner(salt=SALT).unsign(token, max_age=LINK_SECONDS))
        export = DataExport.objects.get(public_id=public_id, state=DataExport.State.READY, expires_at__gt=clock.wall())
    except (signing.BadSignature, ValueError, DataExport.DoesNotExist):
        raise UnableToExport(
            gettext("This download link has expired. Open your privacy page for a new one."), code="link_expired"
        ) from None
    return export, cipher().decrypt(bytes(export.content))


def archive_of(owner: User, *, now: datetime) -> tuple[bytes, int]:
    """Return the zip file with everything held about the owner, and how many rows are in it.

    One JSON and one CSV file a table that has rows, and a README that says what each is. Times are ISO 8601 in UTC,
    money is in minor units, units stand last in names. Encrypted values are in clear; tokens and passwords are not in
    it at all.
    """
    buffer, counts = io.BytesIO(), dict[str, int]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for holding in HOLDINGS:
            counts[holding.label] = _add(archive, holding, owner)
        with translation.override(owner.language or "en"):
            archive.writestr("README.txt", _readme(owner, counts, now=now))
    return buffer.getvalue(), sum(counts.values())


def columns_of(holding: Holding) -> dict[str, str]:
    """Return column -> look-up of everything of a table that is handed out."""
    columns: dict[str, str] = {}
    for field in fields_of(holding.model):
        if field.name in holding.without or isinstance(field, BinaryField) or _is_inner(field):
            continue
        related: type[Model] | None = field.related_model if isinstance(field.related_model, type) else None
        has_public_id = related is not None and any(one.name == "public_id" for one in fields_of(related))
        columns[field.name] = f"{field.name}__public_id" if has_public_id else field.attname
    return columns | {path.replace("__", "_"): path for path in holding.also}


def _is_inner(field: "Field[Any, Any]") -> bool:
    # Users are the owner or our staff; keyed hashes find rows and mean nothing to anybody.
    return field.related_model is User or field.name.endswith("_hash")


def _rows(holding: Holding, owner: User) -> Iterator[dict[str, Any]]:
    columns, found = columns_of(holding), holding.of(owner)
    if not holding.computed:
        for values in found.values_list(*columns.values()).iterator(chunk_size=CHUNK):
            yield dict(zip(columns, values, strict=True))
        return
    plain = {name: path for name, path in columns.items() if "__" not in path}
    for row in found.iterator(chunk_size=CHUNK):
        values = {name: getattr(row, path) for name, path in plain.items()}
        yield values | {name: getattr(row, name) for name in holding.computed}


def _add(archive: zipfile.ZipFile, holding: Holding, owner: User) -> int:
    name, count = holding.label.lower().replace(".", "_"), 0
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    rows = _rows(holding, owner)
    first = next(rows, None)
    if first is None:
        return 0
    writer.writerow(first)
    member = zipfile.ZipInfo(f"json/{name}.json", date_time=clock.wall().timetuple()[:6])
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w") as file:
        row: dict[str, Any] | None = first
        while row is not None:
            file.write(b",\n" if count else b"[\n")
            file.write(json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False).encode())
            writer.writerow([_cell(value) for value in row.values()])
            count, row = count + 1, next(rows, None)
        file.write(b"\n]\n")
    archive.writestr(f"csv/{name}.csv", sheet.getvalue())
    return count


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = json.dumps(value, cls=DjangoJSONEncoder) if isinstance(value, dict | list) else str(value)
    return harmless_cell(text)


def _readme(owner: User, counts: dict[str, int], *, now: datetime) -> str:
    head = [
        gettext("Everything ChargeScape holds about %(email)s") % {"email": owner.email},
        gettext("Made on %(at)s.") % {"at": now.isoformat(timespec="seconds")},
        "",
        gettext(
            "Each table is here twice: as JSON for programs, as CSV for spreadsheets. Times are UTC, money is in "
            "cents, and units stand at the end of names. Passwords and the keys to your cars' makers are not in it."
        ),
        "",
    ]
    tables = [
        (str(topic.title), str(topic.purpose), [one.label for one in HOLDINGS if one.topic == topic.slug])
        for topic in TOPICS
    ]
    for title, purpose, labels in tables:
        head += [f"{title}: {purpose}"]
        head += [f"  {label.lower().replace('.', '_')}: {counts[label]}" for label in labels]
        head += [""]
    return "\n".join(head)
