"""An owner's life with the app, told once in each language, on the phone and at the desk, by day and by night.

Words are looked up as the page does: a story that finds its buttons proves that they are translated, too. Every page on
the way is checked for accessibility, overflow and faults of the content policy. The long count plays every mixture.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from zipfile import ZipFile

import pytest
from allauth.account.models import EmailAddress
from django.utils import translation
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from grid.models import EventParticipation
from tests.journeys.conftest import DESKTOP, PATIENCE_MS, PHONE, STILL, Visitor
from tests.journeys.test_browser import check_page
from tests.page_world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

WINDOWS = {"phone": PHONE, "desk": DESKTOP}
LANGUAGES = {"en": "en-US", "fr-ca": "fr-CA", "es": "es-MX"}
FEW = [("phone", "dark", "en"), ("desk", "light", "fr-ca"), ("phone", "dark", "es")]
ALL = list(product(WINDOWS, ("light", "dark"), LANGUAGES))
PLAYED = ALL if os.environ.get("CHARGESCAPE_FULL") else FEW


@dataclass
class Reader:
    """Somebody who reads the pages in one language."""

    visitor: Visitor
    language: str

    @property
    def page(self) -> Page:
        """The page before them."""
        return self.visitor.page

    def say(self, text: str) -> str:
        """Return a text of ours in their language."""
        with translation.override(self.language):
            return translation.gettext(text)

    def look(self, path: str) -> Page:
        """Open a page and check that it is sound and in their language."""
        page = self.visitor.open(path)
        expect(page.locator("html")).to_have_attribute("lang", re.compile(self.language, re.IGNORECASE))
        check_page(page)
        return page

    def press(self, text: str) -> None:
        """Press the button with this text, and wait for the page that answers."""
        self.visitor.press(self.say(text), exact=True)


@pytest.fixture(params=PLAYED, ids="-".join)
def reader(request: pytest.FixtureRequest, chromium: Browser, live_server: Any) -> Iterator[Reader]:
    window, light, language = request.param
    looks: Any = {"viewport": WINDOWS[window], "color_scheme": light, "locale": LANGUAGES[language], **STILL}
    context = chromium.new_context(accept_downloads=True, **looks)
    context.set_default_timeout(PATIENCE_MS)
    yield Reader(Visitor(context.new_page(), live_server.url), language)
    context.close()


def sign_in(reader: Reader, user: User) -> None:
    page = reader.look("/account/login/")
    page.locator("input[name=login]").fill(user.email)
    page.locator("input[name=password]").fill("charge-the-grid")
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")
    page.wait_for_url(re.compile("/(tonight|welcome)/"))


def test_night_event_and_earnings(reader: Reader, world: World) -> None:
    sign_in(reader, world.owner)
    page = reader.look("/tonight/")
    expect(page.locator("figure[data-chart] svg").first).to_be_attached()

    reader.look(f"/events/{world.coming.public_id}/")
    reader.press("Leave this event out")
    assert EventParticipation.objects.get(pk=world.coming.pk).state == EventParticipation.State.OPTED_OUT

    page = reader.look("/earnings/")
    page.locator(f'a[href="/earnings/{world.settlement.public_id}/"]').first.click()
    expect(page.get_by_role("heading", name=reader.say("The whole sum"))).to_be_visible()
    check_page(page)
    for path in ("/carbon/", "/cars/", "/home/", "/payouts/", "/notices/settings/", "/security/"):
        reader.look(path)
    assert reader.visitor.complaints == []


def test_export_and_delete(reader: Reader, world: World) -> None:
    sign_in(reader, world.owner)
    page = reader.look("/privacy/")
    reader.press("Export my data")
    with page.expect_download() as download:
        page.get_by_role("link", name=reader.say("Download"), exact=True).click()
    with ZipFile(download.value.path()) as copy:
        assert world.owner.email in "".join(copy.read(name).decode() for name in copy.namelist() if "json" in name)
    reader.look("/account/close/")
    page.locator("input[name=email]").fill(world.owner.email)
    reader.press("Delete my account")
    check_page(page)
    assert reader.visitor.complaints == []
    assert not world.owner.vehicles.filter(state="active").exists()


def test_first_steps(reader: Reader, alice: User) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    sign_in(reader, alice)
    for step in ("you", "car", "home", "wishes", "payouts"):
        reader.look(f"/welcome/{step}/")
    assert reader.visitor.complaints == []
