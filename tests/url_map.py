"""Every address of the platform, read from its URL configuration, and who may see what stands there.

A page that is new stands in no group: the test of groups fails until somebody has decided who may see it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

# For everybody, signed in or not.
OPEN = {
    "home_page", "healthz", "readyz", "link_open", "api_schema", "api_docs", "choose_language", "offline", "manifest",
    "service_worker", "no_phones",
}  # fmt: skip
# What carries its own proof: other servers' calls by a signature, links in our e-mails by a signed token.
BY_SIGNATURE = {
    "notice_act", "export-download", "stripe_webhook", "maker_webhook", "operator_bell",
    "webhooks/openadr/<uuid:link>/<slug:echo>",
}  # fmt: skip
# Pages and actions of the signed-in owner about themselves: whoever is signed in sees their own.
OWN = {
    "dashboard", "onboarding", "close_account", "proof", "account", "consents", "notices", "notices_read", "site",
    "events", "earnings", "statement_csv", "payouts", "payouts_set_up", "payouts_return", "pay_now",
    "payouts_settings", "cars", "link_begin", "link_callback", "welcome_step", "welcome_put_off", "privacy",
    "export_request", "export_download", "keep_account", "notice_settings", "push_subscribe", "push_unsubscribe",
    "security", "end_session", "carbon",
}  # fmt: skip
# Pages and actions about one thing: for anybody but its owner it does not exist.
ONE_OWNERS = {
    "car", "enroll", "withdraw", "event", "opt_out", "opt_in", "earning", "link_wait", "choose_vehicles", "unlink",
    "car_preferences", "car_specs", "take_control", "charge_now", "skip_tonight", "pause", "car_charger", "home_here",
    "cancel_override", "car_dates", "remove_date", "car_record", "car_program", "receipt", "notice_do", "notice_read",
    "push_forget", "declare_elsewhere", "end_elsewhere",
}  # fmt: skip
# A utility's desk: for its own people and for staff whose role lets them look; for anybody else there is none.
UTILITYS = {
    "desk", "desk_overview", "desk_events", "desk_events_file", "desk_event", "desk_event_evidence", "desk_event_file",
    "desk_approve", "desk_object", "desk_programs", "desk_program", "desk_enrollments", "desk_enrollment_file",
    "desk_nominations", "desk_nominations_file",
    "desk_invoices", "desk_invoice", "desk_invoice_file", "desk_rehearsals", "desk_rehearsal", "desk_rehearsal_file",
}  # fmt: skip
# Calls of the API whose rows are the same for every owner.
CATALOGUE = {"program", "tariff"}
STAFF = "admin/"
API = "api/v1/"
ARGUMENT = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")
WHAT_TO_DO = "Decide who may see these, and add each name to its group in tests/url_map.py"


@dataclass(frozen=True)
class Place:
    """One address: its name (the route where it has none), its route, and the names in it that stand for things."""

    name: str
    route: str
    arguments: tuple[str, ...]
    view: Any

    @property
    def room(self) -> str:
        """api, staff, allauth (signing in is for everybody) or web."""
        if self.route.startswith(STAFF):
            return "staff"
        if self.route.startswith(API):
            return "api"
        return "allauth" if getattr(self.view, "view_class", self.view).__module__.startswith("allauth.") else "web"

    @property
    def basename(self) -> str:
        """What the API's router calls the kind of thing."""
        return str(getattr(self.view, "initkwargs", {}).get("basename", ""))

    def at(self, values: dict[str, Any]) -> str:
        """Return the address with the values put in; raises KeyError for one that is missing."""
        path = ARGUMENT.sub(lambda hit: str(values[hit[1] or hit[2]]), self.route)
        return "/" + re.sub(r"[\^$]|\\Z|\\", "", path).replace("/?", "/")


def places() -> list[Place]:
    """Return every address once."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns, "", "")))


def _walk(patterns: Any, before: str, space: str) -> Iterator[Place]:
    for entry in patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{space}{entry.namespace}:" if entry.namespace else space
            yield from _walk(entry.url_patterns, route, inner)
        elif isinstance(entry, URLPattern):
            arguments = tuple(hit[0] or hit[1] for hit in ARGUMENT.findall(route))
            yield Place(f"{space}{entry.name}" if entry.name else route, route, arguments, entry.callback)
