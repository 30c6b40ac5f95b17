"""What owners read is marked for translation: a plain literal where they would see it fails here."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
ROOMS = ("accounts", "chargescape", "foundation", "grid", "rewards", "vehicles")
# Refusals that only staff, utilities, machines or our own sweeps meet: they stay in English.
UNSEEN_BY_OWNERS = frozenset({
    "UnableToApprove",
    "UnableToCommand",
    "UnableToInvoice",
    "UnableToLoad",
    "UnableToLoadFeeders",
    "UnableToNotify",
    "UnableToReceive",
    "UnableToResolve",
    "UnableToSaveEvent",
    "UnableToSaveTariff",
    "UnableToSaveTerms",
    "UnableToStop",
    "UnableToSwitch",
    "UnableToTakeFile",
    "UnableToUpload",
})  # fmt: skip
STAFF_FILES = ("/admin", "/management/", "/migrations/", "/staff/")
FORM_WORDS = frozenset({"label", "help_text", "empty_label"})
MARKS = frozenset({"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"})


def sources() -> list[Path]:
    found = (path for room in ROOMS for path in (HOME / room).rglob("*.py"))
    return sorted(path for path in found if not any(part in path.as_posix() for part in STAFF_FILES))


@cache
def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def is_bare(node: ast.expr) -> bool:
    """Say whether an expression is English as it stands there: a literal, or a choice between such."""
    if isinstance(node, ast.IfExp):
        return is_bare(node.body) or is_bare(node.orelse)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and str(part.value).strip(" :.,") for part in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and any(map(str.isalpha, node.value))


def bare_words(path: Path, call: ast.Call) -> Iterator[ast.expr]:
    """Yield what a call shows to an owner without a mark."""
    name = name_of(call)
    shown: list[ast.expr] = [word.value for word in call.keywords if word.arg == "success"]
    if name.startswith("UnableTo") and name not in UNSEEN_BY_OWNERS:
        shown += call.args[:1]
    if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "messages":
        shown += call.args[1:2]
    if name == "ValidationError":
        lists = (node for word in call.args for node in ast.walk(word) if isinstance(node, ast.List))
        shown += [*call.args, *(one for found in lists for one in found.elts)]
    if path.name.startswith("forms"):
        shown += [word.value for word in call.keywords if word.arg in FORM_WORDS]
    return (word for word in shown if is_bare(word))


def place(path: Path, node: ast.expr) -> str:
    return f"{path.relative_to(HOME)}:{node.lineno} {ast.unparse(node)[:60]}"


def test_refusals_messages_and_forms_are_marked() -> None:
    assert [place(path, word) for path in sources() for call in calls(path) for word in bare_words(path, call)] == []


def test_marked_texts_are_whole_literals() -> None:
    """A text built before it is marked is never found by those who gather texts."""
    marked = ((path, call) for path in sources() for call in calls(path) if name_of(call) in MARKS and call.args)
    built = [
        place(path, call.args[0])
        for path, call in marked
        if isinstance(call.args[0], ast.JoinedStr | ast.BinOp | ast.Call)
    ]
    assert built == []


@pytest.mark.parametrize(
    "source",
    [
        'raise UnableToPayOut("There is nothing.", code="x")',
        'raise UnableToLink(f"{car} is linked.", code="x")',
        'messages.success(request, "Saved.")',
        'refusals_as_messages(request, success="Done." if a else b)',
        'forms.CharField(label="Name")',
        'ValidationError({"email": ["Give your own."]})',
    ],
)
def test_plain_words_are_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "forms.py"
    path.write_text(source)
    assert [word for call in calls(path) for word in bare_words(path, call)]
