"""Versions of a program's terms for its owners: what holds, what is coming, and what changes then."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from foundation.formats import Reader
from grid.flows.programs.terms_words import Change, Line, changes, described
from grid.models import Program, ProgramTerms
from grid.rules.combining import goes_with
from rewards.models import PayTerms


@dataclass(frozen=True)
class Coming:
    """The program's next version: from when it holds, and what it changes."""

    terms: ProgramTerms
    changes: list[Change]


def lines_of(terms: Collection[ProgramTerms], *, reader: Reader) -> dict[int, list[Line]]:
    """Return what several versions say, by their keys, in one query; two where one goes with other programs."""
    slugs = {one.program.slug for one in terms}
    pay = {(one.program, one.version): one for one in PayTerms.objects.filter(program__in=slugs)} if slugs else {}
    sharing = {one.program.utility_id for one in terms if one.goes_with}
    others = list(Program.objects.filter(utility__in=sharing).order_by("name")) if sharing else []
    return {
        one.pk: described(
            one,
            pay.get((one.program.slug, one.version)),
            beside=[other.name for other in others if goes_with(one.goes_with, other.names)],
            reader=reader,
        )
        for one in terms
    }


def coming_version(program: Program, *, now: datetime, reader: Reader) -> Coming | None:
    """Return the version that holds next, and what it changes in the one that holds now; None where none is known."""
    return held_and_coming(program, now=now, reader=reader)[1]


def held_and_coming(program: Program, *, now: datetime, reader: Reader) -> tuple[list[Line], Coming | None]:
    """Return what the version that holds now says, and the one that holds next; two queries."""
    held, following = ProgramTerms.held_and_next(program=program, at=now)
    told = lines_of([one for one in (held, following) if one], reader=reader)
    lines = told[held.pk] if held else []
    if following is None or (held is not None and held.version > following.version):  # a newer one holds already
        return lines, None
    return lines, Coming(following, changes(lines, told[following.pk]))
