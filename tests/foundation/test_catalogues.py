"""Every text has its translation, in every language, with the same values in it; and the catalogues know every text."""

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message

from foundation import catalogues
from foundation.catalogues import LOCALES, catalogue_of, compile_changed, is_translated, marked_texts, read

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}")
TAG = re.compile(r"<[^>]*>")


@pytest.fixture(scope="module", params=LOCALES)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    """The translations of one language."""
    return read(request.param)


@pytest.fixture(scope="module")
def marked() -> Catalog:
    """Every text that the sources mark."""
    return marked_texts()


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Yield the messages, without the catalogue's own head."""
    return (message for message in catalogue if message.id)


def pairs(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (text, translation) of each form."""
    if isinstance(message.id, str):
        yield message.id, str(message.string)
    else:
        yield from zip(message.id, message.string or (), strict=True)


def names(catalogue: Catalog) -> set[tuple[str, str]]:
    """Return what tells the texts of a catalogue apart."""
    return {(str(message.context), str(message.id)) for message in messages(catalogue)}


def test_catalogues_are_up_to_date_with_the_sources(catalogue: Catalog, marked: Catalog) -> None:
    assert len(names(marked)) > 1000
    missing, gone = names(marked) - names(catalogue), names(catalogue) - names(marked)
    assert not missing | gone, f"run `./run words`: {sorted(missing)} are missing, {sorted(gone)} are gone"


def test_every_text_is_translated_and_none_is_a_guess(catalogue: Catalog) -> None:
    lacking = [str(message.id) for message in messages(catalogue) if not is_translated(message.string)]
    assert not lacking, "\n".join(lacking)
    assert not [message.id for message in messages(catalogue) if message.fuzzy]


def test_translations_carry_the_same_values_and_markup(catalogue: Catalog) -> None:
    for message in messages(catalogue):
        for text, translation in pairs(message):
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(translation)), translation
            assert sorted(TAG.findall(text)) == sorted(TAG.findall(translation)), translation
            assert ('"' in TAG.sub("", text)) >= ('"' in TAG.sub("", translation)), (
                f"would end an attribute: {translation}"
            )


def test_plural_texts_have_every_form_of_their_language(catalogue: Catalog) -> None:
    plural = [message for message in messages(catalogue) if not isinstance(message.id, str)]
    assert plural
    assert all(len(message.string or ()) == catalogue.num_plurals == 2 for message in plural)


def test_french_keeps_its_signs_with_their_words() -> None:
    loose = [
        text
        for message in messages(read("fr_CA"))
        for _english, text in pairs(message)
        if re.search(r" [;:?!»$]|« | %(?!\()|[^\W\d_][;?!](?:\s|$)|'", TAG.sub("", text))
    ]
    assert not loose, loose


def test_renewing_keeps_translations_and_names_what_lacks_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("sources")
    (home / "accounts").mkdir()
    (home / "templates").mkdir()
    (home / "accounts" / "words.py").write_text('_("Kept")\nngettext("one car", "%(n)s cars", n)\n')
    (home / "templates" / "page.html").write_text('<p>\n      {% translate "New & <b>bold</b>" %}\n  {# no #}</p>')
    monkeypatch.setattr(catalogues, "HOME", home)
    old = Catalog(locale="es")
    old.add("Kept", "Guardado")
    old.add("Gone", "Ido")
    old.add("one car", "un auto")  # it has become one of two forms since
    catalogues.write("es", old)
    assert set(catalogues.renew()["es"]) == {"('one car', '%(n)s cars')", "New & <b>bold</b>"}
    assert {str(message.id): message.string for message in messages(read("es"))} == {
        "Kept": "Guardado",
        "('one car', '%(n)s cars')": ("", ""),
        "New & <b>bold</b>": "",
    }
    assert {path.parent.parent.name for path in compile_changed()} == {"fr_CA", "es"}
    assert not compile_changed()
    assert catalogue_of("es").with_suffix(".mo").exists()
