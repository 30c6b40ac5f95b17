"""Linking by code in a real browser: the page goes on by itself, and every page on the way is sound."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Visitor
from tests.journeys.test_browser import check_page
from tests.page_world import World
from tests.vehicles.scripted_maker import ref, scripted_maker
from vehicles.automakers.base import Capabilities, DeviceCode, HoldEnds
from vehicles.automakers.errors import LinkPending
from vehicles.models import Vehicle, VehicleLink

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_owner_links_by_code_and_sees_what_the_car_can_do(
    visitor: Visitor, world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = scripted_maker(settings, monkeypatch)
    script["start"] = DeviceCode("WDJB-MJHT", "https://scripted.test/device", "device-code", 1, 600)
    script["grants"] = [LinkPending(interval_seconds=1)]
    script["can"] = Capabilities(hold_ends=HoldEnds.START_STOP, refusals=("place_scope_missing",))
    script["cars"] = [ref("one"), ref("two", "WBA00000000654321", nickname="The old one")]
    visitor.sign_in(world.owner)
    page = visitor.open("/cars/link/")
    check_page(page)
    visitor.press("Link Scripted")
    expect(page.get_by_text("WDJB-MJHT")).to_be_visible()
    assert page.evaluate("document.querySelector('img.qr').naturalWidth") > 0
    check_page(page)

    script["grants"] = ["account-one"]  # the owner has typed the code
    page.wait_for_url("**/cars/choose/**")
    page.get_by_text("What it can do, and what not").first.click()
    check_page(page)
    page.get_by_label("The old one").uncheck()
    visitor.press("Use these cars")
    expect(page.get_by_role("status")).to_contain_text("takes part now")

    car = Vehicle.objects.get(link__maker="scripted", state="active")
    Vehicle.objects.filter(pk=car.pk).update(has_assumed_specs=True)
    visitor.open(f"/cars/{car.public_id}/")
    page.get_by_text("What it can do, and what not").click()
    check_page(page)
    page.get_by_role("link", name="Tell us the true ones").click()
    page.wait_for_url("**/specs/")
    check_page(page)
    VehicleLink.objects.filter(maker="scripted").update(state="needs_relink", state_reason="login_required")
    visitor.open("/cars/")
    check_page(page)
    assert visitor.complaints == []
