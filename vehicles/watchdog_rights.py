"""What the watchdog's own database role may do, and nothing else: it frees cars, it holds none and sees no money."""

from collections.abc import Sequence

# Every car, link and command is looked at; of people, who they are, what they agreed to and how they are told.
READS = (
    "accounts_consent", "accounts_notice", "accounts_noticedelivery", "accounts_user", "foundation_lease",
    "vehicles_callcount", "vehicles_chargelimit", "vehicles_chargeoverride", "vehicles_chargepreference",
    "vehicles_chargereading", "vehicles_command", "vehicles_dateddeparture", "vehicles_departure",
    "vehicles_foreignsign", "vehicles_heartbeat", "vehicles_homecharger", "vehicles_homeplace",
    "vehicles_makerswitch", "vehicles_plugsession", "vehicles_stoporder", "vehicles_switchlimit", "vehicles_vehicle",
    "vehicles_vehiclelink",
)  # fmt: skip
# Releases, what readings show, calls counted, leases; an owner is told where a release goes on failing.
ADDS = (
    "accounts_notice", "accounts_noticedelivery", "foundation_lease", "vehicles_callcount", "vehicles_chargereading",
    "vehicles_command", "vehicles_foreignsign", "vehicles_heartbeat", "vehicles_makerswitch", "vehicles_plugsession",
)  # fmt: skip
# A link's row carries the grant that is renewed before a call.
CHANGES = (
    "foundation_lease", "vehicles_callcount", "vehicles_chargelimit", "vehicles_chargeoverride",
    "vehicles_chargereading", "vehicles_command", "vehicles_foreignsign", "vehicles_heartbeat",
    "vehicles_homecharger", "vehicles_makerswitch", "vehicles_plugsession", "vehicles_switchlimit",
    "vehicles_vehicle", "vehicles_vehiclelink",
)  # fmt: skip
# What its commands may never be: a role that cannot add holds cannot be used to hold cars.
POLICIES = (
    "ALTER TABLE vehicles_command ENABLE ROW LEVEL SECURITY",
    "DROP POLICY IF EXISTS everybody_else ON vehicles_command",
    "CREATE POLICY everybody_else ON vehicles_command USING (current_user <> '{role}')",
    "DROP POLICY IF EXISTS watchdog_sees ON vehicles_command",
    "CREATE POLICY watchdog_sees ON vehicles_command FOR SELECT TO {role} USING (true)",
    "DROP POLICY IF EXISTS watchdog_frees ON vehicles_command",
    "CREATE POLICY watchdog_frees ON vehicles_command FOR INSERT TO {role} WITH CHECK (kind IN ('resume', 'wake'))",
    "DROP POLICY IF EXISTS watchdog_notes ON vehicles_command",
    "CREATE POLICY watchdog_notes ON vehicles_command FOR UPDATE TO {role} USING (true)",
)


def statements(role: str) -> Sequence[str]:
    """Return the SQL that gives an existing role these rights and takes every other away."""
    return (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT ON {', '.join(READS)} TO {role}",
        f"GRANT INSERT ON {', '.join(ADDS)} TO {role}",
        f"GRANT UPDATE ON {', '.join(CHANGES)} TO {role}",
        *(policy.format(role=role) for policy in POLICIES),
    )
