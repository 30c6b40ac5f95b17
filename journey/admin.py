"""What an admin does in Django admin: sign in, link a utility's server, create events."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from journey.owner import PASSWORD, choice_named
from journey.web import Browser, Page, PageLacks

VEN_CLIENT = "chargescape-ven"  # how the utility's server knows us
ADMINS = (("ada@example.com", "Ada"), ("grace@example.com", "Grace"))
MEMBERS = ("dana@lonestar.example=Dana=lone-star-power=lead",)


@dataclass
class Admin:
    """One person of the staff at one browser."""

    web_url: str
    email: str
    browser: Browser = field(default_factory=Browser)

    def open(self, path: str) -> Page:
        """Open one of the platform's pages."""
        return self.browser.get(f"{self.web_url}{path}")

    def sign_in(self) -> None:
        """Sign in as staff do."""
        page = self.open("/account/login/?next=/admin/")
        self.browser.submit(page, page.form(having="password"), login=self.email, password=PASSWORD)

    def create_event(
        self,
        *,
        program: str,
        kind: str,
        starts_at: datetime,
        ends_at: datetime,
        zone: str,
        target_kw: int,
        announce_at: datetime | None = None,
    ) -> None:
        """Create an event through the admin's form, times in the utility's own zone."""
        page = self.open("/admin/grid/gridevent/add/")
        form = page.form(having="kind")
        values: dict[str, str] = {"kind": kind, "target_kw": str(target_kw)}
        values["terms"] = choice_named(page, "terms", program)
        for name, at in (("starts_at", starts_at), ("ends_at", ends_at), ("announce_at", announce_at)):
            if at is not None:
                local = at.astimezone(ZoneInfo(zone))
                values |= {f"{name}_0": f"{local:%Y-%m-%d}", f"{name}_1": f"{local:%H:%M:%S}"}
        self.browser.submit(page, form, **values)

    def load_programs(self, record: dict[str, Any]) -> None:
        """Load a program file; raises PageLacks where it is refused."""
        page = self.open("/admin/grid/program/load/")
        answer = self.browser.upload(page, page.form(having="file"), "file", json.dumps(record), is_trial=None)
        if answer.url == page.url:
            raise PageLacks(f"{page.url} did not take the program file")

    def link_server(self, *, utility: str, program: str, url: str, secret: str, program_id: str) -> None:
        """Link a utility's OpenADR 3.1 server and say which of our programs stands behind which of its."""
        page = self.open("/admin/grid/operatorlink/add/")
        form = page.form(having="oauth_id")
        self.browser.submit(
            page,
            form,
            **{
                "utility": choice_named(page, "utility", utility),
                "protocol": "openadr-3.1.0",
                "api_base": url,
                "oauth_id": VEN_CLIENT,
                "client_secret": secret,
                "ven_name": "chargescape",
                "push_token": secret[:16],
                "programs-0-remote_id": program_id,
                "programs-0-program": choice_named(page, "programs-0-program", program),
            },
        )
