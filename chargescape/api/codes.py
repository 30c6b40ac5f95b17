"""The stable codes of problems, read from where they are raised, so that the schema can never lack one."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rest_framework import exceptions

from chargescape.api import problems
from vehicles.flows.attempts import REASONS

HOME = Path(__file__).resolve().parent.parent.parent
WHERE = ("accounts", "vehicles", "grid", "rewards", "chargescape")
LEFT_OUT = {"migrations", "management", "automakers", "operators", "feeds", "processors", "planner", "admin", "staff"}
GENERAL = (
    exceptions.ValidationError,
    exceptions.ParseError,
    exceptions.AuthenticationFailed,
    exceptions.NotAuthenticated,
    exceptions.PermissionDenied,
    exceptions.NotFound,
    exceptions.MethodNotAllowed,
    exceptions.NotAcceptable,
    exceptions.UnsupportedMediaType,
    exceptions.Throttled,
    problems.PreconditionFailed,
    problems.KeyInvalid,
    problems.KeyReused,
    problems.KeyInFlight,
    problems.CursorUnknown,
    problems.CursorExpired,
)


@lru_cache(maxsize=1)
def problem_codes() -> list[str]:
    """Return every code that an answer can carry: those of HTTP, those of the contract, those of flows' refusals."""
    general = {one.default_code for one in GENERAL} | {"server_error", "too_large"}
    return sorted(general | set(REASONS) | {code for path in _sources() for code in _codes_in(path)})


def _sources() -> Iterator[Path]:
    for room in WHERE:
        yield from (path for path in (HOME / room).rglob("*.py") if not LEFT_OUT & set(path.parts))


def _codes_in(path: Path) -> Iterator[str]:
    """Yield the codes that refusals in a file are raised with: `UnableToSave(..., code="this")`."""
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for word in call.keywords:
            if word.arg == "code" and name[:1].isupper() and isinstance(word.value, ast.Constant):
                yield str(word.value.value)
