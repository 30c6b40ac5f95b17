"""A connected account as v2 and v1 show it, and what still has to be provided."""

from typing import Any

from sandbox.stripe import wire
from sandbox.stripe.models import Account

INCLUDES = (
    "configuration.customer",
    "configuration.merchant",
    "configuration.recipient",
    "defaults",
    "future_requirements",
    "identity",
    "requirements",
)
_BANK = "configuration.recipient.default_outbound_destination"
_PERSON = "identity.individual"


def due(account: Account) -> list[str]:
    """Return what the account's holder still has to provide."""
    bank = account.bank
    wants = []
    if account.transfers_status != Account.Status.ACTIVE:
        wants.append(_PERSON)
    if bank is None or bank.is_errored:
        wants.append(_BANK)
    return wants


def payouts_status(account: Account) -> str:
    """Return the status of the capability to be paid out."""
    if account.transfers_status == Account.Status.ACTIVE and _BANK in due(account):
        return Account.Status.RESTRICTED
    return account.transfers_status


def account_v2(account: Account, *, include: list[str]) -> dict[str, Any]:
    """Return the v2 account; the large parts only where `include` asks for them."""
    answer: dict[str, Any] = {
        "id": account.object_id,
        "object": "v2.core.account",
        "applied_configurations": ["recipient"] if account.is_recipient else [],
        "closed": account.is_closed,
        "created": wire.iso(account.created_at),
        "dashboard": account.dashboard,
        "livemode": False,
        "metadata": account.metadata,
    }
    for name in ("contact_email", "display_name"):
        if getattr(account, name):
            answer[name] = getattr(account, name)
    if "configuration.recipient" in include and account.is_recipient:
        answer["configuration"] = {"recipient": _recipient(account)}
    if "defaults" in include:
        answer["defaults"] = _defaults(account)
    if "identity" in include:
        answer["identity"] = {"country": account.country.lower()}
        if account.entity_type:
            answer["identity"]["entity_type"] = account.entity_type
    if "requirements" in include:
        answer["requirements"] = _requirements(account)
    if "future_requirements" in include:
        answer["future_requirements"] = {"entries": []}
    return answer


def account_v1(account: Account) -> dict[str, Any]:
    """Return the account as v1 and its `account.updated` events show it."""
    bank, wants = account.bank, due(account)
    is_active = account.transfers_status == Account.Status.ACTIVE
    banks = [wire.bank_account(bank)] if bank else []
    return {
        "id": account.object_id,
        "object": "account",
        "business_type": "individual",
        "capabilities": {"transfers": "active" if is_active else "inactive"},
        "charges_enabled": False,
        "country": account.country,
        "created": wire.seconds(account.created_at),
        "default_currency": account.currency,
        "details_submitted": bank is not None,
        "email": account.contact_email or None,
        "external_accounts": wire.listing(f"/v1/accounts/{account.object_id}/external_accounts", banks),
        "metadata": account.metadata,
        "payouts_enabled": payouts_status(account) == Account.Status.ACTIVE,
        "requirements": {
            "alternatives": [],
            "current_deadline": None,
            "currently_due": wants,
            "disabled_reason": "requirements.past_due" if wants else None,
            "errors": [],
            "eventually_due": wants,
            "past_due": wants,
            "pending_verification": [],
        },
        "type": "express" if account.dashboard == "express" else "none",
    }


def _recipient(account: Account) -> dict[str, Any]:
    if not account.has_requested_transfers:
        return {"applied": True, "capabilities": {}}
    balance = {
        "payouts": {"status": payouts_status(account), "status_details": _details(payouts_status(account))},
        "stripe_transfers": {
            "status": account.transfers_status,
            "status_details": _details(account.transfers_status),
        },
    }
    return {"applied": True, "capabilities": {"stripe_balance": balance}}


def _details(status: str) -> list[dict[str, str]]:
    if status == Account.Status.ACTIVE:
        return []
    if status == Account.Status.PENDING:
        return [{"code": "requirements_pending_verification", "resolution": "provide_info"}]
    return [{"code": "requirements_past_due", "resolution": "provide_info"}]


def _defaults(account: Account) -> dict[str, Any]:
    return {
        "currency": account.currency,
        "responsibilities": {
            "fees_collector": account.fees_collector,
            "losses_collector": account.losses_collector,
            "requirements_collector": "stripe",
        },
    }


def _requirements(account: Account) -> dict[str, Any]:
    deadline = {"status": "currently_due"}
    entries = [
        {
            "awaiting_action_from": "user",
            "description": wanted,
            "errors": [],
            "impact": {
                "restricts_capabilities": [
                    {
                        "capability": "stripe_balance.payouts"
                        if wanted == _BANK
                        else "stripe_balance.stripe_transfers",
                        "configuration": "recipient",
                        "deadline": deadline,
                    }
                ]
            },
            "minimum_deadline": deadline,
            "requested_reasons": [{"code": "routine_onboarding"}],
        }
        for wanted in due(account)
    ]
    return {"entries": entries, **({"summary": {"minimum_deadline": deadline}} if entries else {})}
