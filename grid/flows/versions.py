"""Versions of a program's terms for its owners: what holds, what is coming, and what changes then."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from foundation.formats import Reader
from grid.flows.terms_words import Change, Line, changes, described
from grid.models import Program, ProgramTerms
from rewards.models import PayTerms


@dataclass(frozen=True)
class Coming:
    """The program's next version: from when it holds, and what it changes."""

    terms: ProgramTerms
    changes: list[Change]


def lines_of(terms: Collection[ProgramTerms], *, reader: Reader) -> dict[int, list[Line]]:
    """Return what several versions say, by their keys, in one query."""
    slugs = {one.program.slug for one in terms}
    pay = {(one.program, one.version): one for one in PayTerms.objects.filter(program__in=slugs)} if slugs else {}
    return {one.pk: described(one, pay.get((one.program.slug, one.version)), reader=reader) for one in terms}


def coming_version(program: Program, *, now: datetime, reader: Reader) -> Coming | None:
    """Return the version that holds next, and what it changes in the one that holds now; None where none is known."""
    ahead = ProgramTerms.objects.filter(program=program, valid_from_at__gt=now).select_related("program__utility")
    coming = ahead.order_by("valid_from_at", "-version").first()
    if coming is None:
        return None
    held = ProgramTerms.in_force(program=program, at=now)
    if held is not None and held.version > coming.version:
        return None  # a newer version holds already
    told = lines_of([one for one in (held, coming) if one], reader=reader)
    return Coming(coming, changes(told[held.pk] if held else [], told[coming.pk]))
