"""The pages as an app: what a browser keeps of them, what it shows without a network, how it tells of a push."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import PushDevice
from tests.journeys.conftest import PATIENCE_MS, PHONE, STILL, Visitor
from tests.journeys.test_browser import check_page
from tests.page_world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

KEPT = """async () => {
  const found = []
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(request.url)
  }
  return found
}"""
TOLD = """async () => {
  const worker = await navigator.serviceWorker.ready
  return (await worker.getNotifications()).map(one => [one.title, one.body, one.data.url, one.actions.length])
}"""


def wait_until(page: Page, is_so: Callable[[], Any]) -> None:
    """Let the browser go on until it is so; whoever waited in vain finds out by looking."""
    for _ in range(PATIENCE_MS // 50):
        if is_so():
            return
        page.wait_for_timeout(50)


def push(page: Page, origin: str, message: dict[str, Any]) -> None:
    """Deliver a push to the page's service worker, as the browser's own service would."""
    session = page.context.new_cdp_session(page)
    known: list[dict[str, Any]] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: known.extend(event["registrations"]))
    session.send("ServiceWorker.enable")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    wait_until(page, lambda: known)
    about = {"origin": origin, "registrationId": known[0]["registrationId"], "data": json.dumps(message)}
    session.send("ServiceWorker.deliverPushMessage", about)


@pytest.fixture
def phone(chromium: Browser) -> Iterator[BrowserContext]:
    """A phone that may be told of pushes."""
    looks: Any = {"viewport": PHONE, "permissions": ["notifications"], **STILL}
    context = chromium.new_context(**looks)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


def test_app_keeps_nothing_personal_and_tells_of_pushes(phone: BrowserContext, live_server: Any, world: World) -> None:
    visitor = Visitor(phone.new_page(), live_server.url)
    visitor.sign_in(world.owner)
    page = visitor.open("/notices/settings/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    expect(page.locator("[data-push-state]")).to_contain_text("no pushes yet")
    expect(page.get_by_role("button", name="Turn on pushes here")).to_be_visible()
    expect(page.get_by_role("button", name="Turn off pushes here")).to_be_hidden()
    check_page(page)
    for path in ("/tonight/", "/earnings/", f"/cars/{world.vehicle.public_id}/", "/notices/"):
        visitor.open(path)
    kept = [url.removeprefix(live_server.url) for url in page.evaluate(KEPT)]
    assert "/offline/?lang=en" in kept
    assert [url for url in kept if not url.startswith(("/static/", "/offline/"))] == []

    message = {
        "title": "Plug in",
        "body": "Please",
        "url": "/notices/",
        "tag": "t",
        "actions": [{"title": "A", "url": "/"}],
    }
    push(page, live_server.url, message)
    wait_until(page, lambda: page.evaluate(TOLD))
    assert page.evaluate(TOLD) == [["Plug in", "Please", "/notices/", 1]]
    assert visitor.complaints == []

    phone.set_offline(True)
    page = visitor.open("/tonight/")
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    assert "Alice" not in page.content()
    phone.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("No connection")
    assert PushDevice.objects.count() == 1  # that of the world: nobody was asked for leave
