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
    link, names = program.link, list(dict.fromkeys(targets[:MOST_TARGETS]))
    everybody = {link.ven_name, link.ven_id, str(program.resource_name), *map(str, program.targets)} - {""}
    meanings = {name: set(link.targets.get(name, ())) for name in names}
    feeders = _feeders(program, names)
    cars = _cars(program, {*names, *(one for meant in meanings.values() for one in meant)})
    is_all, unknown, scope = False, list[str](), Scope(feeders=[], enrollments=[])
    for name in names:
        meant = meanings[name]
        if name in everybody:
            is_all = True
        elif name in feeders:  # also where the server gave it to our VEN: only so does it show us the feeder's events
            scope["feeders"].append(feeders[name])
        elif name in cars:
            scope["enrollments"].append(cars[name])
        elif ALL in meant or everybody & meant:
            is_all = True
        elif cars.keys() & meant:
            scope["enrollments"] += sorted(cars[one] for one in cars.keys() & meant)
        else:
            unknown.append(name)
    if len(targets) > MOST_TARGETS:
        unknown.append(f"{len(targets) - MOST_TARGETS} more")
    return ({} if is_all else scope), unknown


def _cars(program: OperatorProgram, names: Iterable[str]) -> dict[str, int]:
    rows = OperatorResource.objects.filter(program=program, name__in=list(names))
    return dict(rows.values_list("name", "enrollment"))


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
