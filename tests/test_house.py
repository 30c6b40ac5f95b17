"""The house's own rules, kept by machine: short functions, said purposes, no import inside functions, honest texts."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
ROOMS = ("accounts", "chargescape", "foundation", "grid", "journey", "rewards", "sandbox", "vehicles")
LONGEST_FUNCTION = 70
LONGEST_FILE = 400


def sources() -> list[Path]:
    """Return every Python file of the rooms, migrations aside."""
    return [path for room in ROOMS for path in (HOME / room).rglob("*.py") if "migrations" not in path.parts]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(HOME)}:{node.lineno} {node.name} has {lines} lines"
        for path in sources()
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_no_file_is_longer_than_a_room_needs() -> None:
    long = [
        f"{path.relative_to(HOME)} has {lines} lines"
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("room", ["vehicles/flows", "grid/flows", "rewards/flows", "accounts/flows"])
def test_every_public_flow_says_why_it_exists(room: str) -> None:
    silent = [
        f"{path.name}: {node.name}"
        for path in (HOME / room).glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not silent, silent


@pytest.mark.parametrize("room", ["vehicles/flows", "grid/flows", "rewards/flows", "accounts/flows"])
def test_flows_are_told_the_time(room: str) -> None:
    asking = [
        str(path.relative_to(HOME))
        for path in (HOME / room).glob("*.py")
        if re.search(r"clock\.now\(|timezone\.now\(|datetime\.now\(", path.read_text())
    ]
    assert not asking, f"flows take `now`, they do not ask for it: {asking}"


def test_nothing_asks_the_time_but_the_clock() -> None:
    asking = [
        str(path.relative_to(HOME))
        for path in sources()
        if path.parts[-2] not in {"foundation", "journey"}
        and "sandbox" not in path.parts
        and re.search(r"timezone\.now\(|datetime\.now\(|datetime\.utcnow\(|time\.time\(", path.read_text())
    ]
    assert not asking, asking


def test_templates_run_no_scripts_or_styles_inline() -> None:
    inline = [
        str(path.relative_to(HOME))
        for path in (HOME / "templates").rglob("*.html")
        if "emails" not in path.parts and re.search(r"<script>|<style|\sstyle=|\son\w+=", path.read_text())
    ]
    assert not inline, f"the content security policy forbids these: {inline}"


def test_texts_name_no_machine_or_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True)
    spilled = []
    for name in tracked.stdout.split():
        path = HOME / name
        if path.suffix in {".gz", ".png", ".mo", ".woff2"} or not path.is_file() or path == Path(__file__):
            continue
        if re.search(r"/work/|pypi\.org|registry\.npmjs|deb\.debian", path.read_text(errors="replace")):
            spilled.append(name)
    assert not spilled, spilled
