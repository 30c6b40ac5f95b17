"""What an owner does from an app, by the generated client alone: sign up, agree, link, wish, enroll, get paid."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from client import ChargeScape, Problem, models
from client.http import each
from journey.owner import PASSWORD, Home
from journey.web import Browser, Page, PageLacks
from journey.world import World

RETURN_PATH = "/healthz"  # stands in for the app's own https link: where the browser ends up, nobody is signed in


@dataclass
class AppOwner:
    """One person with an app; the system browser beside it is signed in nowhere."""

    web_url: str
    world: World
    email: str
    name: str
    home: Home
    maker_account: str
    browser: Browser = field(default_factory=Browser)
    api: ChargeScape = field(init=False)

    def __post_init__(self) -> None:
        self.api = ChargeScape(self.web_url)

    def move_in(self) -> list[str]:
        """Walk through the whole onboarding; returns the cars' ids."""
        self.api.sign_up(self.email, PASSWORD)
        self.api.verify_email(self.world.code_mailed_to(self.email))
        self.api.me_profile_partial_update({"name": self.name, "country": "US", "time_zone": self.home.time_zone})
        for text in self.api.consents_texts_list():
            self.api.consents_create({"purpose": text["purpose"]})
        self._describe_home()
        cars = self._link_cars()
        self.api.vehicles_home_here_create(cars[0])
        for car in cars:
            self._wish(car)
            self._enroll(car)
        self._set_up_payouts()
        return cars

    def _describe_home(self) -> None:
        tariffs: list[models.Tariff] = list(each(self.api.tariffs_list, country="US"))
        fitting = next(one for one in tariffs if self.home.tariff in one["name"].lower())
        self.api.sites_create(
            {
                "address": self.home.address,
                "postal_code_prefix": self.home.postal_code,
                "time_zone": self.home.time_zone,
                "tariff": fitting["slug"],
                "evse_max_charge_w": round(float(self.home.evse_kw) * 1000),
                "is_evse_bidirectional": True,
                "has_export_permission": True,
                "export_limit_w": round(float(self.home.exports_kw) * 1000),
            }
        )

    def _link_cars(self) -> list[str]:
        """Get a ticket, allow every car in the system browser, and end the link with what came back to the app."""
        begun = self.api.links_create({"maker": "ford", "return_url": f"{self.web_url}{RETURN_PATH}"})
        page = self.browser.get(begun["url"])
        sign_in = page.form(having="password")
        account = next(name for name in sign_in.fields if name in {"login", "email", "username"})
        page = self.browser.submit(page, sign_in, password=PASSWORD, **{account: self.maker_account})
        consent = next(form for form in page.forms() if form.choices)
        page = self.browser.submit(page, consent, "allow", **dict(consent.choices))
        link = self.api.link_attempts_complete_create(begun["id"], {"proof": self._brought_back(page, begun["id"])})
        chosen = self.api.links_choose_create(link["id"], {"vehicles": link["vehicles"]})
        return [car["id"] for car in chosen]

    @staticmethod
    def _brought_back(page: Page, attempt: str) -> str:
        told = parse_qs(urlsplit(page.url).query)
        if urlsplit(page.url).path != RETURN_PATH or told.get("attempt") != [attempt]:
            raise PageLacks(f"the browser did not come back to the app but to {page.url.split('?')[0]}")
        return told["proof"][0]

    def _wish(self, car: str) -> None:
        """Save wishes over what was read, and see that nobody can save over them unread."""
        can_give_back = self.api.vehicles_retrieve(car)["capabilities"]["can_discharge"]
        found = self.api.vehicles_preference_retrieve(car)
        read = self.api.etag
        wishes: models.PreferenceRequest = {
            "target_soc_percent": 85,
            "minimum_soc_percent": 20,
            "reserve_soc_percent": 30,
            "is_v2g_allowed": can_give_back,
            "departures": found["departures"],
        }
        self.api.vehicles_preference_update(car, wishes, if_match=read)
        try:
            self.api.vehicles_preference_update(car, wishes, if_match=read)
        except Problem as problem:
            if problem.code == "precondition_failed":
                return
        raise PageLacks("wishes were saved over ones that had changed since they were read")

    def _enroll(self, car: str) -> None:
        choices = self.api.programs_open_to_list(vehicle=car)
        program = next(one["program"] for one in choices if one["is_open_to_vehicle"])
        self.api.enrollments_create({"vehicle": car, "program": program["id"]})

    def _set_up_payouts(self) -> None:
        url = self.api.payout_accounts_onboarding_link_create()["url"]
        page = self.browser.get(url)
        form = next(form for form in page.forms() if "account_number" in form.fields)
        self.browser.submit(page, form, "finish")
        for account in each(self.api.payout_accounts_list):
            self.api.payout_accounts_refresh_create(account["id"])

    def is_planned(self, cars: list[str]) -> str:
        """Return a plan's sentence once each car has a plan, "" before."""
        nights = {night["vehicle"]: night for night in self.api.tonight_list()}
        has_all = all(nights[car]["slots"] for car in cars if car in nights) and len(nights) == len(cars)
        return nights[cars[0]]["sentence"] if has_all else ""

    def earned(self, cars: list[str]) -> int:
        """Return what was settled and can be paid out, in cents, once each car has its settlement; 0 before."""
        settled: list[models.Settlement] = list(each(self.api.settlements_list))
        owed = sum(one["amount_minor"] for one in settled)
        available = sum(one["available_minor"] for one in self.api.balances_list())
        return owed if {one["vehicle"] for one in settled} == set(cars) and available == owed else 0

    def ask_for_payout(self) -> None:
        """Ask for the payout twice under one key, as an app does whose first answer was lost."""
        first = self.api.payouts_pay_now_create({"currency": "USD"}, key="walk-payout")
        again = self.api.payouts_pay_now_create({"currency": "USD"}, key="walk-payout")
        if first != again:
            raise PageLacks("the same wish under one key was answered twice, differently")
