"""Every owner's page in French and Spanish: nothing English is left, whoever wrote it."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from foundation.catalogues import read
from tests.chargescape.test_pages import readable
from tests.page_world import World, build_world, stop_clock

# Words that every English sentence needs and neither French nor Spanish has.
ENGLISH = re.compile(r"\b(the|your|you|with|and|is|are|not|from|when|for|by|of|it|this|we|has|was|to)\b", re.IGNORECASE)
VALUE = re.compile(r"\{\w+\}")  # what a script puts in
SPOKEN_ATTRIBUTES = ("aria-label", "title", "alt", "placeholder", "content", "data-confirm")
STRANGERS_PAGES = ("/", "/account/login/", "/account/signup/", "/account/password/reset/", "/nowhere/", "/offline/")
ALLAUTHS_PAGES = (
    "/account/email/",
    "/account/password/change/",
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/2fa/webauthn/",
    "/account/2fa/webauthn/add/",
    "/account/2fa/recovery-codes/generate/",
    "/account/sessions/",
    "/account/reauthenticate/",
    "/account/logout/",
)
MEASURES = {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "width", "height", "min", "max", "step", "viewbox"}
AS_AGREED = ("receipt",)  # an agreement is shown in the words that were agreed to


class Words(HTMLParser):
    """Gathers what a person reads or hears of a page: text, spoken attributes, and the words that scripts are given."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""
        self.misread: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes that are read aloud."""
        known = dict(attrs)
        self.misread += [
            f"{name}={value}" for name, value in attrs if name in MEASURES and value and re.search(r"\d,\d", value)
        ]
        self.inside = f"{tag} {known.get('type') or ''} {known.get('lang') or ''}"
        self.found += [
            value or "" for name, value in attrs if name in SPOKEN_ATTRIBUTES or name.startswith("data-word-")
        ]

    def handle_endtag(self, _tag: str) -> None:
        """Leave the element."""
        self.inside = ""

    def handle_data(self, data: str) -> None:
        """Take text; of scripts only the JSON they are given."""
        if self.inside.startswith(("style", "code", "button  en")):
            return
        if self.inside.startswith("script"):
            self.found += strings(json.loads(data)) if "json" in self.inside else []
        else:
            self.found.append(" ".join(data.split()))


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def english_in(page: str, known: frozenset[str] = frozenset()) -> list[str]:
    """Return what is English in a page: sentences, and whole `known` texts; and measures that no browser reads."""
    seen = Words(page)
    words = [VALUE.sub("", text) for text in seen.found]
    return seen.misread + [
        text for text in words if text in known or (ENGLISH.search(text) and not text.startswith(("http", "width=")))
    ]


@cache
def texts_of(language: str) -> frozenset[str]:
    """Return the English texts whose translation is another one, and that are no translation of anything."""
    locale = {"fr-ca": "fr_CA", "es": "es"}[language]
    pairs = [(one.id, one.string) for one in read(locale) if one.id and isinstance(one.id, str)]
    return frozenset(text for text, told in pairs if text != told) - {str(told) for _text, told in pairs}


def test_english_is_seen() -> None:
    assert english_in('<p>Il est <b title="the end">prêt</b> when you leave</p>') == ["the end", "when you leave"]
    assert english_in('<script type="application/json">{"a": ["for the grid"]}</script>') == ["for the grid"]
    assert english_in("<p>Running</p><p>En cours</p>", frozenset({"Running"})) == ["Running"]
    assert english_in('<rect x="12,5" y="3.5">') == ["x=12,5"]
    assert not english_in("<p>Su auto está listo. Votre véhicule est prêt à 17 h.</p>")


@pytest.fixture
def world(alice: User, now: datetime, settings: Any, tmp_path: Path) -> World:
    """Alice with everything, and a clock that stands."""
    stop_clock(settings, tmp_path, now)
    return build_world(alice, now=now)


def left_in_english(client: Client, address: str, language: str) -> list[str]:
    """Return what a page in `language` says in English."""
    answer = client.get(address, follow=True, headers={"accept-language": language})
    assert answer["Content-Language"] == language, address
    if not answer["Content-Type"].startswith("text/html"):
        return []
    return [f"{address}: {text}" for text in english_in(answer.content.decode(), texts_of(language))]


@pytest.mark.parametrize("language", ["fr-ca", "es"])
def test_no_page_keeps_english(client: Client, world: World, language: str) -> None:
    left = [text for address in STRANGERS_PAGES for text in left_in_english(client, address, language)]
    client.force_login(world.owner)
    client.post("/language/", {"language": language})
    for name, address in readable(world):
        if name not in AS_AGREED:
            left += left_in_english(client, address, language)
    for address in ALLAUTHS_PAGES:
        left += left_in_english(client, address, language)
    assert not left, "\n".join(left)
