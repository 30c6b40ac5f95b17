"""What each role of staff may see and do in the admin: least rights by job, as groups that the installation keeps.

A superuser may do everything and hands out roles. Rights are Django's own permissions; the flows add their own rules
(four eyes, for instance), which no role lifts.
"""

from collections.abc import Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction

_PEOPLE = ("accounts.view_user", "accounts.view_consent", "accounts.view_notice", "accounts.view_noticedelivery")
_CARS = (
    "vehicles.view_vehicle", "vehicles.view_vehiclelink", "vehicles.view_chargepreference", "vehicles.view_command",
    "vehicles.view_chargereading", "vehicles.view_plugsession", "vehicles.view_homecharger",
    "vehicles.view_foreignsign", "vehicles.view_chargelimit", "vehicles.view_callcount", "vehicles.view_makerswitch",
    "vehicles.view_stoporder", "vehicles.view_switchlimit", "vehicles.view_heartbeat",
)  # fmt: skip
_GRID = (
    "grid.view_utility", "grid.view_tariff", "grid.view_program", "grid.view_programterms", "grid.view_enrollment",
    "grid.view_site", "grid.view_gridevent", "grid.view_eventparticipation", "grid.view_plan", "grid.view_dispatch",
    "grid.view_settlement", "grid.view_feed", "grid.view_eventprogress", "grid.view_controldraw", "grid.view_feeder",
    "grid.view_groupsettlement", "grid.view_dispute",
    "grid.view_nomination", "grid.view_rehearsal",
)  # fmt: skip
_MONEY = (
    "rewards.view_payoutaccount", "rewards.view_payout", "rewards.view_ledgeraccount", "rewards.view_transfer",
    "rewards.view_earning", "rewards.view_payterms", "rewards.view_reconciliation", "rewards.view_payoutpause",
    "rewards.view_webhookevent",
)  # fmt: skip

ROLES: Mapping[str, tuple[str, ...]] = {
    # Answers owners: sees what they see and why it happened; changes nothing.
    "support": (*_PEOPLE, *_CARS, *_GRID, "rewards.view_payoutaccount", "rewards.view_payout", "rewards.view_earning"),
    # Runs the fleet: events, makers, servers of utilities, feeds; no names of owners, no money.
    "operations": (
        *_CARS, *_GRID, "grid.add_gridevent", "grid.change_gridevent", "grid.change_feed", "grid.view_seriesupload",
        "grid.add_seriesupload", "grid.change_seriesupload", "grid.add_operatorlink",
        "grid.change_operatorlink", "grid.view_operatorlink", "grid.view_operatorevent",
        "grid.view_operatorreportrequest", "grid.view_owedreport", "grid.view_operatorresource",
        "vehicles.change_makerswitch", "vehicles.add_makerswitch", "vehicles.add_stoporder",
        "grid.change_dispute", "grid.view_utilitymember",
        "grid.add_utilitymember", "grid.change_utilitymember", "grid.view_invoice",
    ),
    # Watches the money: payouts, the ledger, the comparison with the processor; no car.
    "finance": ("accounts.view_user", *_MONEY, "rewards.change_payout", "grid.view_settlement", "grid.view_gridevent",
                "grid.view_groupsettlement", "grid.view_dispute", "grid.change_dispute", "grid.view_invoice",
                "grid.change_invoice", "grid.view_utility"),
    # Members of a utility: nothing in the admin; what they may see has pages of its own.
    "utility": (),
}  # fmt: skip


def make_roles() -> list[str]:
    """Make the groups, or bring their rights to what `ROLES` says, and return their names.

    A right that a release no longer knows raises LookupError: a role must never lose rights without anybody noticing.
    """
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.values_list("pk", "content_type__app_label", "codename")
    }
    with transaction.atomic():
        for name, rights in ROLES.items():
            missing = [right for right in rights if right not in known]
            if missing:
                raise LookupError(f"role {name}: no such permissions: {', '.join(missing)}")
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.set([known[right] for right in rights])
    return list(ROLES)
