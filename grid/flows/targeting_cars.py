"""Which cars a utility's targets mean: a feeder's, one resource's, or all of the program.

A target is known as one of the program's agreed names, as our VEN, as the resource of the group or of a car, as a
feeder or transformer of the utility, or as what the server itself wrote beside our VEN or a resource of it. Several
targets mean the cars of any of them. One that nobody knows is never taken for "all": it is a question to a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from grid.models import Enrollment, Feeder, GridEvent, OperatorAsk, OperatorProgram, OperatorResource

ALL = "*"
DEEPEST = 10  # feeders below feeders
MOST_TARGETS = 200

Scope = dict[str, list[int]]  # empty: every car of the program


def scope_of(program: OperatorProgram, targets: Sequence[str]) -> tuple[Scope, list[str]]:
    """Return the cars that the targets mean, and the targets that are not known here.

    A scope with two empty lists means no car at all. No target means every car of the program.
    """
    if not targets:
        return {}, []
    link = program.link
    everybody = {link.ven_name, link.ven_id, str(program.resource_name), *map(str, program.targets)} - {""}
    names, unknown, is_all = set[str](), list[str](), False
    for target in dict.fromkeys(targets[:MOST_TARGETS]):
        meant = link.targets.get(target, [])
        if target in everybody or ALL in meant or everybody & set(meant):
            is_all = True
        else:
            names |= {target, *meant}
    feeders = _feeders(program, names)
    resources = dict(OperatorResource.objects.filter(program=program, name__in=names).values_list("name", "enrollment"))
    for target in dict.fromkeys(targets[:MOST_TARGETS]):
        meant = {target, *link.targets.get(target, [])}
        if not (meant & (everybody | set(feeders) | set(resources)) or ALL in meant):
            unknown.append(target)
    if len(targets) > MOST_TARGETS:
        unknown.append(f"{len(targets) - MOST_TARGETS} more")
    if is_all:
        return {}, unknown
    return {"feeders": sorted(set(feeders.values())), "enrollments": sorted(set(resources.values()))}, unknown


def _feeders(program: OperatorProgram, names: Iterable[str]) -> dict[str, int]:
    rows = Feeder.objects.filter(utility=program.program.utility_id, name__in=list(names))
    return dict(rows.values_list("name", "pk"))


def is_nobody(scope: Mapping[str, Any]) -> bool:
    """Say whether the scope means no car at all."""
    return bool(scope) and not any(scope.values())


def cars_in(scope: Mapping[str, Any], rows: "QuerySet[Enrollment]") -> "QuerySet[Enrollment]":
    """Return those of the enrolled cars that the scope means; a feeder's are those of the feeders below it too."""
    if not scope:
        return rows
    level = found = set(scope.get("feeders", []))
    for _ in range(DEEPEST):
        level = set(Feeder.objects.filter(above__in=level).values_list("pk", flat=True)) - found
        if not level:
            break
        found = found | level
    return rows.filter(Q(site__feeder__in=found) | Q(pk__in=scope.get("enrollments", [])))


def cars_asked(event: GridEvent, rows: "QuerySet[Enrollment]") -> "QuerySet[Enrollment]":
    """Return those of the program's cars that the event is for: all of them, but where a utility's server said whom."""
    scope = OperatorAsk.objects.filter(grid_event=event).values_list("scope", flat=True).first()
    return cars_in(scope or {}, rows)
