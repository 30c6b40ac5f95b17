"""What only a browser shows: faults of the content policy, accessibility, charts, passkeys, pages that overflow."""

import hashlib
import hmac
import re
import struct
from base64 import b32decode
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from accounts.models import User
from foundation import clock
from grid.models import EventParticipation
from tests.journeys.conftest import Visitor
from tests.page_world import World
from vehicles.models import ChargeOverride, ChargePreference

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OPEN_PAGES = ("/", "/account/login/", "/account/signup/", "/account/password/reset/")
OWNER_PAGES = (
    "/tonight/", "/welcome/", "/welcome/you/", "/welcome/wishes/", "/welcome/payouts/", "/cars/", "/cars/link/",
    "/home/", "/events/", "/earnings/", "/payouts/", "/notices/",
    "/carbon/", "/privacy/", "/security/", "/account/close/",
    "/consents/", "/account/", "/account/email/", "/account/password/change/", "/account/2fa/", "/account/sessions/",
)  # fmt: skip


def check_page(page: Page) -> None:
    """Fail on accessibility faults and on a page wider than its window."""
    page.wait_for_load_state("load")  # a page just asked for has no document yet
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{page.url} is {overflow} px too wide"
    size = page.viewport_size
    assert size is not None
    # The whole page at once, so that the phone's tab bar covers nothing by chance of scrolling.
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": tall})
    found = Axe().run(page, options=RULES)
    page.set_viewport_size(size)
    faults = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found.response["violations"]]
    assert not faults, (page.url, faults)


def test_open_pages_are_sound(visitor: Visitor) -> None:
    for path in OPEN_PAGES:
        check_page(visitor.open(path))
    visitor.open("/api/docs/")
    expect(visitor.page.get_by_role("heading", name="ChargeScape API")).to_be_visible()
    assert visitor.complaints == []


def test_owners_pages_are_sound(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    own = (
        f"/cars/{world.vehicle.public_id}/",
        f"/cars/{world.vehicle.public_id}/preferences/",
        f"/cars/{world.vehicle.public_id}/dates/",
        f"/cars/{world.vehicle.public_id}/program/",
        f"/events/{world.coming.public_id}/",
        f"/events/{world.past.public_id}/",
        f"/earnings/{world.settlement.public_id}/",
    )
    for path in (*OWNER_PAGES, *own):
        check_page(visitor.open(path))
    assert visitor.complaints == []


def test_plan_can_be_read_with_the_keyboard(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    page = visitor.page
    chart = page.get_by_role("group", name=re.compile("The night of Blue Lightning"))
    expect(chart.locator("svg rect.bar-charge").first).to_be_attached()
    chart.focus()
    page.keyboard.press("ArrowRight")
    readout = page.locator("#plan .readout")
    expect(readout).to_contain_text(re.compile(r"5:00 PM to 5:15 PM · .* · battery \d+\s?%"))
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("5:15 PM to 5:30 PM")
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name=re.compile("as a table"))).to_be_visible()
    assert visitor.complaints == []


def test_live_parts_keep_still_while_they_are_used(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    page = visitor.page
    page.evaluate("document.getElementById('now').dataset.mark = 'old'")
    swap = "htmx.ajax('GET', '/tonight/?part=now', {target: '#now', swap: 'outerHTML', source: '#now'})"
    page.evaluate(swap)
    expect(page.locator("#now:not([data-mark])")).to_be_attached()  # a part that nobody uses is replaced
    # In one step: between two, the part's own round could replace it.
    page.evaluate(
        "const now = document.getElementById('now'); now.dataset.mark = 'old'; now.querySelector('a').focus()"
    )
    page.evaluate(swap)
    expect(page.locator("#now[data-mark=old]")).to_be_attached()
    page.evaluate("document.getElementById('plan').dataset.mark = 'old'")
    page.evaluate(swap.replace("now", "plan"))
    expect(page.locator("#plan:not([data-mark]) .chart-host svg")).to_be_visible()  # drawn anew from what came
    assert visitor.complaints == []


def test_owner_changes_wishes_with_the_steppers(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    page = visitor.open(f"/cars/{world.vehicle.public_id}/preferences/")
    page.get_by_role("button", name="More: Full to").click()
    page.get_by_label("Saturday").fill("09:15")
    visitor.press("Save")
    expect(page.get_by_role("status")).to_contain_text("Saved")
    preference = ChargePreference.objects.get(vehicle=world.vehicle)
    assert preference.target_soc_percent == 85
    assert preference.departures.get(weekday=5).leaves_at_local.isoformat() == "09:15:00"
    assert visitor.complaints == []


def test_owner_leaves_an_event_out_and_comes_back(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    page = visitor.open(f"/events/{world.coming.public_id}/")
    visitor.press("Leave this event out")
    expect(page.get_by_role("status")).to_contain_text("Left out")
    assert EventParticipation.objects.get(pk=world.coming.pk).state == "opted_out"
    visitor.press("Take part after all")
    expect(page.get_by_role("status")).to_contain_text("leave the car alone")  # the owner's own word stands before it
    visitor.open("/tonight/")
    visitor.press("Back to the plan")
    visitor.open(f"/events/{world.coming.public_id}/")
    visitor.press("Take part after all")
    expect(page.get_by_role("status")).to_contain_text("takes part again")
    assert EventParticipation.objects.get(pk=world.coming.pk).state == "in"


def test_owner_takes_the_skip_back_from_tonight(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    visitor.press("Back to the plan")
    expect(visitor.page.get_by_role("status")).to_contain_text("Back to your plan")
    assert ChargeOverride.objects.get(pk=world.override.pk).cancelled_at is not None


def test_earning_opens_to_the_whole_sum(visitor: Visitor, world: World) -> None:
    visitor.sign_in(world.owner)
    page = visitor.open("/earnings/")
    page.locator(f'a[href="/earnings/{world.settlement.public_id}/"]').click()
    expect(page.get_by_role("heading", name="The whole sum")).to_be_visible()
    expect(page.locator("figure svg path.line-baseline")).to_be_attached()
    assert visitor.complaints == []


def test_sign_up_by_code_and_second_step_by_app(visitor: Visitor, mailoutbox: Any, settings: Any, now: Any) -> None:
    page = visitor.open("/account/signup/")
    page.get_by_label("Email").fill("dora@example.org")
    page.get_by_label("Password").fill("a-quiet-night-42")
    visitor.press("Create account")
    code = re.search(r"^[A-Z0-9-]{6,9}$", mailoutbox[0].body, re.MULTILINE)
    assert code, mailoutbox[0].body
    page.locator("[name=code]").fill(code[0])
    visitor.press("Confirm")
    page.wait_for_url("**/welcome/")
    page.get_by_role("link", name="Begin").click()
    page.get_by_label("Your name").fill("Dora")
    page.get_by_label("Canada").check()
    page.get_by_label("I agree").nth(0).check()
    page.get_by_label("I agree").nth(1).check()
    check_page(page)
    visitor.press("Save and go on")
    page.wait_for_url("**/welcome/car/")
    expect(page.get_by_text("1 of 5 done").first).to_be_visible()
    visitor.open("/account/2fa/totp/activate/")
    page.get_by_label("Password").fill("a-quiet-night-42")
    visitor.press("Confirm")
    secret = page.get_by_label("Authenticator secret").input_value()
    expect(page.get_by_alt_text(re.compile("QR code"))).to_be_visible()
    assert page.evaluate("document.querySelector('img.qr').naturalWidth") > 0
    check_page(page)
    page.locator("[name=code]").fill(totp(secret))
    visitor.press("Activate")
    page.wait_for_url("**/account/2fa/recovery-codes/**")
    check_page(page)
    dora = User.objects.get(email="dora@example.org")
    assert (dora.country, dora.name) == ("CA", "Dora")
    assert visitor.complaints == []


def totp(secret: str) -> str:
    """Return the code that an authenticator app shows now (RFC 6238)."""
    counter = struct.pack(">Q", int(clock.wall().timestamp()) // 30)
    digest = hmac.new(b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def test_passkey_is_added_and_signs_in(visitor: Visitor, world: World) -> None:
    page = visitor.page
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    visitor.sign_in(world.owner)
    visitor.open("/account/2fa/webauthn/add/")
    page.get_by_label("Password").fill("charge-the-grid")
    visitor.press("Confirm")
    page.get_by_label("Name").fill("This laptop")
    page.get_by_label("Passwordless").check()
    check_page(page)
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/account/2fa/**recovery-codes/**")
    visitor.open("/account/logout/")
    visitor.press("Sign out")
    visitor.open("/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/tonight/")
    assert visitor.complaints == []


def test_a_cancelled_passkey_is_explained(visitor: Visitor) -> None:
    page = visitor.open("/account/login/")
    refuse = "async () => { throw new DOMException('no', 'NotAllowedError') }"
    page.evaluate(f"() => {{ navigator.credentials.get = {refuse} }}")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was changed")).to_be_visible()
