"""What an owner does on the web, page by page: sign up, agree, describe the home, link cars, set wishes, get paid."""

import html
import re
from dataclasses import dataclass, field

from journey.web import Browser, Form, Page, PageLacks
from journey.world import World

PASSWORD = "charge-the-grid"  # noqa: S105 - the demo's people all use it, and it is printed


@dataclass(frozen=True)
class Home:
    """What the home form is told. `tariff` is a part of the tariff's name."""

    address: str
    postal_code: str
    time_zone: str
    tariff: str
    evse_kw: str
    exports_kw: str = ""


@dataclass
class Owner:
    """One person at one browser."""

    web_url: str
    world: World
    email: str
    name: str
    country: str
    home: Home
    maker_account: str
    browser: Browser = field(default_factory=Browser)

    def open(self, path: str) -> Page:
        """Open one of the platform's pages."""
        return self.browser.get(f"{self.web_url}{path}")

    def save(self, page: Page, form: Form, **values: str | list[str] | None) -> Page:
        """Submit a form that leads on when it is accepted; raises PageLacks where it comes back."""
        answer = self.browser.submit(page, form, **values)
        if answer.url == page.url:
            raise PageLacks(f"{page.url} was not accepted:\n{answer.text[answer.text.find('<main') :][:3000]}")
        return answer

    def sign_up(self) -> None:
        """Create the account and prove the address with the code that is mailed."""
        page = self.open("/account/signup/")
        form = page.form(having="password1")
        page = self.browser.submit(page, form, email=self.email, password1=PASSWORD)
        code = self.world.code_mailed_to(self.email)
        self.browser.submit(page, page.form(having="code"), code=code)

    def introduce_yourself(self) -> None:
        """Fill in name, country and time zone."""
        page = self.open("/account/")
        form = page.form(having="country")
        self.browser.submit(page, form, name=self.name, country=self.country, time_zone=self.home.time_zone)

    def agree(self) -> None:
        """Grant every consent that is asked for, each on its own."""
        for purpose in ("data_use", "grid_participation"):
            page = self.open("/consents/")
            for form in page.forms():
                if purpose in form.fields.get("purpose", []) and "revoke" not in form.action:
                    self.browser.submit(page, form, "grant")
                    break

    def describe_home(self) -> None:
        """Fill in the home form; export is allowed where the home says so."""
        page, home = self.open("/home/"), self.home
        form = page.form(having="tariff")
        exports: dict[str, str | None] = {"is_evse_bidirectional": None, "has_export_permission": None}
        if home.exports_kw:
            exports = {"is_evse_bidirectional": "on", "has_export_permission": "on", "export_limit_kw": home.exports_kw}
        self.browser.submit(
            page,
            form,
            address=home.address,
            postal_code_prefix=home.postal_code,
            time_zone=home.time_zone,
            tariff=choice_named(page, "tariff", home.tariff),
            evse_max_charge_kw=home.evse_kw,
            **exports,
        )

    def link_cars(self, maker: str = "ford") -> None:
        """Go to the maker, sign in there, allow every car, come back and choose all of them."""
        page = self.open("/cars/link/")
        form = next(form for form in page.forms() if maker in [*form.fields.get("maker", []), *button_values(form)])
        page = self.browser.submit(page, form, maker)
        if "password" in page.form().fields or any("password" in one.fields for one in page.forms()):
            sign_in = page.form(having="password")
            account_field = next(name for name in sign_in.fields if name in {"login", "email", "username"})
            page = self.browser.submit(page, sign_in, password=PASSWORD, **{account_field: self.maker_account})
        consent = next(form for form in page.forms() if form.choices)
        ticked: dict[str, str | list[str]] = {**consent.choices}
        page = self.browser.submit(page, consent, "allow", **ticked)
        choose = next((form for form in page.forms() if "vehicles" in form.choices), None)
        if choose is None:
            raise PageLacks(f"{page.url} offers no cars to choose")
        self.browser.submit(page, choose, vehicles=choose.choices["vehicles"])

    def car_ids(self) -> list[str]:
        """Return the public ids of the owner's cars, as the cars page links them."""
        found = re.findall(r"/cars/([0-9a-f-]{36})/\"", self.open("/cars/").text)
        return list(dict.fromkeys(found))

    def say_home_is_here(self) -> None:
        """Tell the platform that the first car stands at home now."""
        page = self.open(f"/cars/{self.car_ids()[0]}/")
        self.browser.submit(page, page.form(action="home-here"))

    def set_wishes(self, car: str, **wishes: str | None) -> None:
        """Fill in one car's preferences."""
        page = self.open(f"/cars/{car}/preferences/")
        form = page.form(having="target_soc_percent")
        offered = {name: value for name, value in wishes.items() if name in form.fields or name in form.choices}
        self.save(page, form, **offered)  # a car that cannot give back is not asked whether it may

    def enroll(self, car: str) -> None:
        """Enroll one car in the first program that takes it."""
        page = self.open(f"/cars/{car}/program/")
        self.browser.submit(page, page.form(action="enroll"))

    def set_up_payouts(self) -> None:
        """Walk through the processor's onboarding pages and come back."""
        page = self.open("/payouts/")
        page = self.browser.submit(page, page.form(action="set-up"))
        form = next(form for form in page.forms() if "account_number" in form.fields)
        self.browser.submit(page, form, "finish")  # the bank details are filled in for us

    def ask_for_payout(self) -> None:
        """Press "pay me now"."""
        page = self.open("/payouts/")
        self.browser.submit(page, page.form(action="pay-now"))


def button_values(form: Form) -> list[str]:
    """Return the values that a form's buttons send."""
    return [value for _name, value in form.buttons]


def choice_named(page: Page, name: str, words: str) -> str:
    """Return the value of the option whose text begins with `words`, else of one that contains them."""
    select = re.search(rf'<select[^>]*name="{name}".*?</select>', page.text, re.DOTALL)
    options = re.findall(r'<option[^>]*value="([^"]*)"[^>]*>(.*?)</option>', select[0] if select else "", re.DOTALL)
    wanted = words.lower()
    texts = {str(value): html.unescape(text).strip().lower() for value, text in options}
    found = [value for value, text in texts.items() if wanted in text]
    if found:  # what begins so comes first: "Peak Rewards" is not "BC Hydro Peak Rewards"
        return min(found, key=lambda value: not texts[value].startswith(wanted))
    raise PageLacks(f"{page.url} offers no {name} named {words!r}, only {[text.strip() for _, text in options]}")
