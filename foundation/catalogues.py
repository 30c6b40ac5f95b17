"""The catalogues of words: gathers every marked text of the sources, keeps locale/*/LC_MESSAGES/django.po, compiles it.

`python -m foundation.catalogues renew` after a text was added or changed; `compile` after a translation was. Both are
babel's work, so nobody needs the gettext programs.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

HOME = Path(__file__).resolve().parent.parent
LOCALES = ("fr_CA", "es")
ROOMS = ("accounts", "chargescape", "foundation", "grid", "rewards", "vehicles")
TEXTS = (".html", ".svg", ".txt")
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)  # a date that changed with every run would change every file


def catalogue_of(locale: str) -> Path:
    """Return where the translations of a locale ("fr_CA") are kept."""
    return HOME / "locale" / locale / "LC_MESSAGES" / "django.po"


def sources() -> list[Path]:
    """Return every file whose texts people read: the rooms' Python and all templates."""
    python = [path for room in ROOMS for path in (HOME / room).rglob("*.py") if "migrations" not in path.parts]
    templates = [path for path in (HOME / "templates").rglob("*") if path.suffix in TEXTS]
    return sorted(python) + sorted(templates)


def marked_texts() -> Catalog:
    """Return every marked text with the files that say it; places are named without lines, which move too often."""
    catalogue = _empty(None)
    for path in sources():
        name = str(path.relative_to(HOME))
        for _line, text, comments, context in _texts_of(path):
            catalogue.add(text, locations=[(name, 0)], auto_comments=comments, context=context)
    for path in sorted((HOME / "grid" / "data").glob("*.json")):
        for text in _texts_of_data(json.loads(path.read_text())):
            catalogue.add(text, locations=[(str(path.relative_to(HOME)), 0)])
    return catalogue


def _texts_of_data(record: dict[str, Any]) -> Iterator[str]:
    """Yield what owners read of a utility's own texts; a utility that we have no words for speaks as it wrote."""
    for program in record.get("programs", []):
        yield from (program[name] for name in ("summary", "status_note") if program.get(name))
    yield from (tariff["name"] for tariff in record.get("tariffs", []))


def _empty(locale: str | None) -> Catalog:
    return Catalog(
        locale=locale,
        project="ChargeScape",
        version="1",
        header_comment="# What ChargeScape says to owners. `./run words` renews it; see CONTRIBUTING.md.",
        msgid_bugs_address="hello@chargescape.example",
        last_translator="ChargeScape",
        language_team="ChargeScape",
        creation_date=_NEVER,
        revision_date=_NEVER,
        fuzzy=False,
    )


def _texts_of(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    text = path.read_text()
    if path.suffix in TEXTS:
        # Django turns a template into Python-like calls amid "XXX"; Python's tokens mind indentation, templates do not.
        text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
    return extract("python", io.BytesIO(text.encode()), KEYWORDS, ("Translators:",), {"encoding": "utf-8"})


def read(locale: str) -> Catalog:
    """Return the translations of a locale as they are kept; empty where there are none yet."""
    path = catalogue_of(locale)
    if not path.exists():
        return _empty(locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def write(locale: str, catalogue: Catalog) -> None:
    """Keep the translations of a locale."""
    path = catalogue_of(locale)
    text = io.BytesIO()
    write_po(text, catalogue, width=110, ignore_obsolete=True, include_lineno=False, sort_by_file=True)
    _replace(path, text)


def _replace(path: Path, text: io.BytesIO) -> None:
    """Write a file in one step, so that nobody who starts meanwhile reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_bytes(text.getvalue())
    fresh.replace(path)


def renew() -> dict[str, list[str]]:
    """Bring the catalogues up to date with the sources; return locale -> texts that lack a translation.

    Texts that are gone are dropped. A changed text counts as a new one: no guess takes the place of a translation.
    """
    marked = marked_texts()
    lacking: dict[str, list[str]] = {}
    for locale in LOCALES:
        kept, renewed = read(locale), _empty(locale)
        for message in marked:
            if message.id:
                old = kept.get(message.id, message.context)
                is_same = old is not None and old.pluralizable == message.pluralizable
                string = old.string if old and is_same else ""
                renewed.add(
                    message.id,
                    string,
                    locations=message.locations,
                    auto_comments=message.auto_comments,
                    context=message.context,
                )
        write(locale, renewed)
        lacking[locale] = [str(message.id) for message in renewed if message.id and not is_translated(message.string)]
    return lacking


def is_translated(string: str | tuple[str, ...] | list[str] | None) -> bool:
    """Tell whether a translation is there, in each of its plural forms."""
    return all(string) if isinstance(string, tuple | list) else bool(string)


def compile_changed() -> list[Path]:
    """Compile the catalogues that are newer than what was compiled of them, each in one step; return the new files."""
    compiled: list[Path] = []
    for locale in LOCALES:
        source = catalogue_of(locale)
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        text = io.BytesIO()
        write_mo(text, read(locale))
        _replace(target, text)
        compiled.append(target)
    return compiled


def main() -> int:
    """Renew and compile, or compile alone; say what lacks a translation and return 1 where something does."""
    if sys.argv[1:] not in (["renew"], ["compile"]):
        sys.stderr.write("usage: python -m foundation.catalogues renew | compile\n")
        return 2
    lacking = renew() if sys.argv[1] == "renew" else {}
    compile_changed()
    for locale, texts in lacking.items():
        sys.stderr.write("".join(f"{locale} lacks: {text}\n" for text in texts))
    return 1 if any(lacking.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
