"""Accounts and account links (v2), and the v1 views of an account."""

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox.stripe import events, wire
from sandbox.stripe.accounts import INCLUDES, account_v1, account_v2
from sandbox.stripe.calls import EXPAND, LIST, Call, Operation, find, list_page
from sandbox.stripe.errors import StripeError
from sandbox.stripe.ids import new_id
from sandbox.stripe.models import Account, AccountLink, BankAccount, Knobs
from sandbox.stripe.params import FLAG, METADATA, Param, Spec, group, integer, text, texts
from sandbox.world import clock, config

CURRENCY_OF = {"US": "usd", "CA": "cad"}
COLLECTORS = ("application", "application_custom", "application_express", "stripe")

_REQUESTED = group({"requested": Param("flag", is_required=True)})
_RECIPIENT = group(
    {"capabilities": group({"stripe_balance": group({"stripe_transfers": _REQUESTED, "payouts": _REQUESTED})})}
)
_ADDRESS = group({name: text() for name in ("city", "country", "line1", "line2", "postal_code", "state", "town")})
_INDIVIDUAL = group({"email": text(), "given_name": text(), "surname": text(), "phone": text(), "address": _ADDRESS})
CREATE_ACCOUNT: Spec = {
    "configuration": group({"recipient": _RECIPIENT}),
    "contact_email": text(),
    "contact_phone": text(),
    "dashboard": text("express", "full", "none"),
    "defaults": group(
        {
            "currency": text("usd", "cad"),
            "locales": texts(),
            "profile": group({"business_url": text(), "doing_business_as": text(), "product_description": text()}),
            "responsibilities": group(
                {
                    "fees_collector": text(*COLLECTORS, required=True),
                    "losses_collector": text("application", "stripe", required=True),
                }
            ),
        }
    ),
    "display_name": text(),
    "identity": group(
        {
            "country": text(),
            "entity_type": text("company", "government_entity", "individual", "non_profit"),
            "individual": _INDIVIDUAL,
        }
    ),
    "include": texts(*INCLUDES),
    "metadata": METADATA,
}
_USE = group(
    {
        "collection_options": group(
            {"fields": text("currently_due", "eventually_due"), "future_requirements": text("include", "omit")}
        ),
        "configurations": texts("customer", "merchant", "recipient"),  # versions since 2026-10-28 no longer take it
        "refresh_url": text(required=True),
        "return_url": text(),
    }
)
CREATE_LINK: Spec = {
    "account": text(required=True),
    "use_case": group(
        {
            "type": text("account_onboarding", "account_update", required=True),
            "account_onboarding": _USE,
            "account_update": _USE,
        },
        required=True,
    ),
}


def create(call: Call) -> dict[str, Any]:
    """Create a connected account; a recipient of transfers where its configuration says so."""
    given = call.params
    identity, defaults = given.get("identity", {}), given.get("defaults", {})
    recipient = given.get("configuration", {}).get("recipient")
    country = identity.get("country", "").upper()
    if not country:
        raise StripeError("identity.country is required for this configuration.", code="identity_country_required")
    if country not in CURRENCY_OF:
        raise StripeError(f"{country} is not supported.", code="capability_not_available_in_country")
    responsibilities = defaults.get("responsibilities", {})
    if given.get("dashboard") == "express" and responsibilities.get("losses_collector") != "application":
        raise StripeError(
            "An Express dashboard needs the application to collect fees and losses.",
            code="account_controller_express_dash_without_application_losses_or_fees",
        )
    balance = (recipient or {}).get("capabilities", {}).get("stripe_balance", {})
    account = Account.objects.create(
        object_id=new_id("acct"),
        created_at=call.now,
        contact_email=given.get("contact_email", ""),
        display_name=given.get("display_name", ""),
        country=country,
        currency=defaults.get("currency", CURRENCY_OF[country]),
        entity_type=identity.get("entity_type", ""),
        dashboard=given.get("dashboard", "none"),
        fees_collector=responsibilities.get("fees_collector", "application"),
        losses_collector=responsibilities.get("losses_collector", "application"),
        is_recipient=recipient is not None,
        has_requested_transfers=balance.get("stripe_transfers", {}).get("requested", False),
        metadata=given.get("metadata", {}),
    )
    events.record_thin("v2.core.account.created", account=account, at=call.now, cause=call.cause)
    return account_v2(account, include=given.get("include", []))


def retrieve(call: Call) -> dict[str, Any]:
    """Return one account."""
    return account_v2(_v2_account(call.ids["id"]), include=call.params.get("include", []))


def list_v2(call: Call) -> dict[str, Any]:
    """Return one page of the accounts, newest first; `page` is where it starts."""
    limit, start = call.params.get("limit", 20), call.params.get("page", "0")
    if not start.isdecimal() or not 1 <= limit <= 100:
        raise StripeError("page or limit is not valid", code="invalid_fields")
    rows = Account.objects.order_by("-pk")
    if "closed" in call.params:
        rows = rows.filter(is_closed=call.params["closed"])
    if "recipient" in call.params.get("applied_configurations", []):
        rows = rows.filter(is_recipient=True)
    first, last = int(start), int(start) + limit
    following = f"/v2/core/accounts?limit={limit}&page={last}" if rows[last : last + 1] else None
    before = f"/v2/core/accounts?limit={limit}&page={max(0, first - limit)}" if first else None
    data = [account_v2(row, include=[]) for row in rows[first:last]]
    return {"data": data, "next_page_url": following, "previous_page_url": before}


def create_link(call: Call) -> dict[str, Any]:
    """Create a single-use link to the onboarding page."""
    account = _v2_account(call.params["account"])
    use_case = call.params["use_case"]
    use = use_case.get(use_case["type"])
    if use is None:
        raise StripeError(f"Missing required param: use_case[{use_case['type']}].", code="parameter_missing")
    if "recipient" not in use.get("configurations", ["recipient"]) or not account.is_recipient:
        raise StripeError(
            "The configurations must match those of the account.", code="configs_must_match_to_use_account_links"
        )
    for name in ("refresh_url", "return_url"):
        if name in use and urlsplit(use[name]).scheme not in {"http", "https"}:
            raise StripeError(f"{name} is not a valid URL.", code="url_invalid")
    wall = clock.wall()
    link = AccountLink.objects.create(
        token=secrets.token_urlsafe(24),
        account=account,
        refresh_url=use["refresh_url"],
        return_url=use.get("return_url", use["refresh_url"]),
        expires_at=wall + timedelta(seconds=Knobs.current().link_lifetime_seconds),
    )
    return {
        "object": "v2.core.account_link",
        "account": account.object_id,
        "created": wire.iso(wall),
        "expires_at": wire.iso(link.expires_at),
        "livemode": False,
        "url": f"{config.PUBLIC_URL}/stripe/onboarding/{account.object_id}?link={link.token}",
        "use_case": use_case,
    }


def retrieve_v1(call: Call) -> dict[str, Any]:
    """Return the v1 view of one account."""
    return account_v1(find(Account.objects.all(), call.ids["id"], what="account"))


def list_banks(call: Call) -> dict[str, Any]:
    """Return the account's bank accounts, without their numbers."""
    account = find(Account.objects.all(), call.ids["id"], what="account")
    rows = BankAccount.objects.filter(account=account)
    url = f"/v1/accounts/{account.object_id}/external_accounts"
    return list_page(call, rows, url=url, what="external account", render=wire.bank_account)


def _v2_account(object_id: str) -> Account:
    return find(Account.objects.filter(is_closed=False), object_id, what="Account", is_v2=True)


OPERATIONS = (
    Operation("accounts.create", "POST", "v2/core/accounts", CREATE_ACCOUNT, create),
    Operation(
        "accounts.list",
        "GET",
        "v2/core/accounts",
        {"limit": integer(), "page": text(), "closed": FLAG, "applied_configurations": texts()},
        list_v2,
    ),
    Operation("accounts.retrieve", "GET", "v2/core/accounts/{id}", {"include": texts(*INCLUDES)}, retrieve),
    Operation("account_links.create", "POST", "v2/core/account_links", CREATE_LINK, create_link),
    Operation("v1.accounts.retrieve", "GET", "v1/accounts/{id}", EXPAND, retrieve_v1),
    Operation(
        "v1.external_accounts.list", "GET", "v1/accounts/{id}/external_accounts", {**LIST, "object": text()}, list_banks
    ),
)
