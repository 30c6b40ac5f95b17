"""A utility's file of its feeders and transformers, and of whose homes hang on them."""

import csv
import io
import logging
from collections.abc import Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from foundation.refusals import Refusal
from grid.flows.dispatch.wires import WATTS_PER_KW
from grid.models import Enrollment, Feeder, Site, Utility

logger = logging.getLogger(__name__)


class UnableToLoadFeeders(Refusal):
    """Nothing is changed: the file has to be corrected."""


def load_feeders(*, utility: Utility, text: str, now: datetime) -> tuple[int, int]:
    """Take a utility's file of wires and of who hangs on them; return how many wires and homes it names.

    Columns: `feeder`, `kind` (feeder or transformer), `cap_kw`, `above` (the wire above it, or empty), `enrollment`
    (our number of an enrolled car, or empty). All of it or, with UnableToLoadFeeders naming the line, nothing.
    """
    lines = list(csv.DictReader(io.StringIO(text)))
    needed = {"feeder", "kind", "cap_kw", "above", "enrollment"}
    if not lines or not needed.issubset(lines[0]):
        raise UnableToLoadFeeders(f"The first line names the columns {', '.join(sorted(needed))}.", code="no_columns")
    with transaction.atomic():
        wires = {}
        for number, line in enumerate(lines, start=2):
            name = (line["feeder"] or "").strip()[:60]
            if name and name not in wires:
                wires[name] = _wire(utility, name, line, number)
        for number, line in enumerate(lines, start=2):
            above = (line["above"] or "").strip()
            if above and above not in wires:
                raise UnableToLoadFeeders(f"Line {number}: there is no feeder {above!r} in the file.", code="no_above")
            if above:
                Feeder.objects.filter(pk=wires[line["feeder"].strip()].pk).update(above=wires[above])
        homes = [_hang(utility, wires, line, number) for number, line in enumerate(lines, start=2)]
    logger.info("%s: %d feeders, %d homes, %s", utility, len(wires), sum(homes), now)
    return len(wires), sum(homes)


def _wire(utility: Utility, name: str, line: Mapping[str, str], number: int) -> Feeder:
    try:
        cap_w = round(float(line["cap_kw"]) * WATTS_PER_KW)
    except (TypeError, ValueError) as error:
        raise UnableToLoadFeeders(f"Line {number}: cap_kw is no number.", code="bad_cap") from error
    if line["kind"] not in Feeder.Kind.values or not 0 < cap_w <= 10**9:
        raise UnableToLoadFeeders(
            f"Line {number}: kind is feeder or transformer, cap_kw above 0 and at most 1,000,000.", code="bad_wire"
        )
    values = {"kind": line["kind"], "cap_w": cap_w, "above": None}
    return Feeder.objects.update_or_create(utility=utility, name=name, defaults=values)[0]


def _hang(utility: Utility, wires: Mapping[str, Feeder], line: Mapping[str, str], number: int) -> int:
    told = (line["enrollment"] or "").strip()
    if not told:
        return 0
    try:
        found = Enrollment.objects.filter(Q(public_id=told), program__utility=utility, ended_at=None).first()
    except (ValueError, ValidationError) as error:
        raise UnableToLoadFeeders(f"Line {number}: {told[:40]!r} is no enrolment.", code="bad_enrollment") from error
    if found is None:
        raise UnableToLoadFeeders(f"Line {number}: no car of yours is enrolled as {told[:40]!r}.", code="unknown")
    return Site.objects.filter(pk=found.site_id).update(feeder=wires[line["feeder"].strip()])
