"""A small browser without a screen: keeps cookies, follows redirects, fills in the forms that pages really have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests


class PageLacks(AssertionError):
    """A page does not have what a person would look for there; the message shows where."""


@dataclass
class Form:
    """One form as the page served it: where it goes, and the values it would send untouched."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    """Collects the forms of a page; unticked boxes and radio buttons are offered as choices."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.select = ""
        self.textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif self.forms:
            self._add(tag, given, is_set={"checked", "selected"} & {name for name, _ in attrs} != set())

    def _add(self, tag: str, given: dict[str, str], *, is_set: bool) -> None:
        form, name, value = self.forms[-1], given.get("name", ""), given.get("value", "")
        kind = given.get("type", "text" if tag == "input" else "submit")
        if tag == "button" or (tag == "input" and kind == "submit"):
            form.buttons.append((name, value))
        elif tag == "input" and name:
            if kind in {"checkbox", "radio"}:
                form.choices.setdefault(name, []).append(value or "on")
            if kind not in {"checkbox", "radio"} or is_set:
                form.fields.setdefault(name, []).append(value or ("on" if is_set else ""))
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            form.choices.setdefault(self.select, []).append(value)
            if is_set or self.select not in form.fields:
                form.fields[self.select] = [value]
        elif tag == "textarea":
            self.textarea = name
            form.fields[name] = [""]

    def handle_data(self, data: str) -> None:
        if self.textarea and self.forms:
            self.forms[-1].fields[self.textarea] = [data.strip()]

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.textarea = ""


@dataclass(frozen=True)
class Page:
    """One answer: where we ended up, and what it says."""

    url: str
    status: int
    text: str

    def forms(self) -> list[Form]:
        """Return the page's forms in order."""
        collector = _Forms()
        collector.feed(self.text)
        return collector.forms

    def form(self, *, having: str = "", action: str = "") -> Form:
        """Return the first form with the field or choice `having` and `action` in its address."""
        for form in self.forms():
            names = {*form.fields, *form.choices, *(name for name, _ in form.buttons)}
            if (not having or having in names) and action in form.action:
                return form
        raise PageLacks(f"{self.url} (HTTP {self.status}) has no form with {having or action!r}")


class Browser:
    """Goes to pages and submits forms as one person would."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url: str) -> Page:
        """Open a page; raises PageLacks for an error page."""
        return self._page(self.session.get(url, timeout=30))

    def get_json(self, url: str) -> Any:
        """Open an address of the API; raises PageLacks for an error answer."""
        answer = self.session.get(url, headers={"Accept": "application/json"}, timeout=30)
        if answer.status_code >= 400:
            raise PageLacks(f"{url} answered HTTP {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    def submit(self, page: Page, form: Form, press: str = "", /, **values: str | list[str] | None) -> Page:
        """Send a form with some values changed (None leaves one out); `press` names the button's value.

        Raises PageLacks for a field that the form does not offer: a person could not fill it in.
        """
        sent: dict[str, str | list[str]] = dict(form.fields)
        for name, value in values.items():
            if name not in form.fields and name not in form.choices:
                raise PageLacks(f"{page.url.split('?')[0]} offers no field {name!r}")
            if value is None:
                sent.pop(name, None)
            else:
                sent[name] = value
        sent |= {name: value for name, value in form.buttons if press and name and press in {name, value}}
        return self._send(urljoin(page.url, form.action or page.url), form.method, sent, page.url)

    def upload(self, page: Page, form: Form, name: str, content: str, /, **values: str | None) -> Page:
        """Send a form with a file in its field `name`, and some values changed (None leaves one out)."""
        sent = {key: value for key, value in (form.fields | values).items() if value is not None and key != name}
        address, files = urljoin(page.url, form.action or page.url), {name: (f"{name}.json", content)}
        answer = self.session.post(address, data=sent, files=files, headers={"Referer": page.url}, timeout=30)
        return self._page(answer)

    def _send(self, url: str, method: str, values: Mapping[str, str | list[str]], referer: str) -> Page:
        headers = {"Referer": referer}
        if method == "get":
            return self._page(self.session.get(url, params=values, headers=headers, timeout=30))
        return self._page(self.session.post(url, data=values, headers=headers, timeout=30))

    def _page(self, answer: requests.Response) -> Page:
        page = Page(answer.url, answer.status_code, answer.text)
        if page.status >= 400:
            raise PageLacks(f"{page.url.split('?')[0]} answered HTTP {page.status}:\n{page.text[:600]}")
        return page
