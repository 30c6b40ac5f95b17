"""Looks at the owner's pages in a real browser, where Chromium and Playwright are there."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def can_look() -> bool:
    """Return whether a browser can be driven on this machine."""
    return shutil.which("chromium") is not None and importlib.util.find_spec("playwright") is not None


def look(web_url: str, *, session: str, cookie: str, paths: Sequence[str], pictures: Path) -> list[str]:
    """Open each page at phone and desktop width, signed in by a session cookie; return what is wrong with them.

    Wrong is: an error answer, a complaint in the console (a content security violation is one), a page wider than
    its window. Pictures are left in the folder `pictures`.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of tests, not of the platform

    complaints: list[str] = []
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        for size, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height})
            context.add_cookies([{"name": cookie, "value": session, "url": web_url}])
            page = context.new_page()
            page.on("console", lambda message: complaints.extend(_complaint(message)))
            for path in paths:
                answer = page.goto(f"{web_url}{path}")
                if answer is None or answer.status >= 400:
                    complaints.append(f"{path} answered {answer.status if answer else 'nothing'}")
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    complaints.append(f"{path} is wider than a {size} window")
                page.screenshot(path=pictures / f"{path.strip('/').replace('/', '-')}-{size}.png", full_page=True)
            context.close()
        browser.close()
    return complaints


def _complaint(message: Any) -> list[str]:
    return [f"console: {message.text}"] if message.type in {"error", "warning"} else []
