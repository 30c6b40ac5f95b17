"""What the watchdog's own database role may do, and nothing else: it frees cars, it holds none and sees no money.

Of people it sees nothing: neither names and addresses nor passwords. An owner is told of a failing release by a row
that the role may add and not read.
"""

from collections.abc import Mapping, Sequence

ALL: tuple[str, ...] = ()

# Every car, link and command is looked at: whole rows, but where a row holds what frees no car.
READS: Mapping[str, Sequence[str]] = {
    "accounts_consent": ("id", "user_id", "purpose", "revoked_at"),
    "foundation_lease": ALL,
    "vehicles_callcount": ALL,
    "vehicles_chargelimit": ALL,
    "vehicles_chargeoverride": ("id", "vehicle_id", "kind", "starts_at", "ends_at", "cancelled_at"),
    "vehicles_chargepreference": ALL,
    "vehicles_chargereading": ALL,
    "vehicles_command": ALL,
    "vehicles_foreignsign": ALL,
    "vehicles_heartbeat": ALL,
    "vehicles_homecharger": ALL,
    "vehicles_homeplace": (
        "id",
        "owner_id",
        "latitude",
        "longitude",
        "radius_m",
    ),  # encrypted; a reading keeps near or not
    "vehicles_makerswitch": ALL,
    "vehicles_plugsession": ALL,
    "vehicles_stoporder": ("id", "lifted_at"),
    "vehicles_switchlimit": ALL,
    "vehicles_vehicle": ALL,
    "vehicles_vehiclelink": ALL,
}
# Releases, what readings show, calls counted, leases; an owner is told where a release goes on failing.
ADDS = (
    "accounts_notice", "foundation_lease", "vehicles_callcount", "vehicles_chargereading", "vehicles_command",
    "vehicles_foreignsign", "vehicles_heartbeat", "vehicles_makerswitch", "vehicles_plugsession",
)  # fmt: skip
# A link's row carries the grant that is renewed before a call; a wall box that falls silent takes abilities away.
CHANGES: Mapping[str, Sequence[str]] = {
    "foundation_lease": ALL,
    "vehicles_callcount": ALL,
    "vehicles_chargeoverride": ("cancelled_at",),
    "vehicles_chargepreference": ("version", "changed_at"),
    "vehicles_chargereading": ("fetched_at",),
    "vehicles_command": ALL,
    "vehicles_foreignsign": ALL,
    "vehicles_heartbeat": ALL,
    "vehicles_homecharger": ("failure", "is_car_connected", "observed_at", "is_used", "car_asked_at"),
    "vehicles_makerswitch": ("quiet_until",),
    "vehicles_plugsession": ALL,
    "vehicles_switchlimit": ("free_at",),
    "vehicles_vehicle": ("next_read_at", "capabilities", "own_capabilities", "max_discharge_w"),
    "vehicles_vehiclelink": (
        "access_token", "refresh_token", "secrets", "scopes", "listed_at", "access_expires_at", "refresh_expires_at",
        "refreshed_at", "failures", "auth_failed_at", "quiet_until", "state", "state_reason", "state_since_at",
    ),
}  # fmt: skip
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
        *(f"GRANT SELECT{_of(columns)} ON {table} TO {role}" for table, columns in READS.items()),
        f"GRANT INSERT ON {', '.join(ADDS)} TO {role}",
        *(f"GRANT UPDATE{_of(columns)} ON {table} TO {role}" for table, columns in CHANGES.items()),
        *(policy.format(role=role) for policy in POLICIES),
    )


def _of(columns: Sequence[str]) -> str:
    return f" ({', '.join(columns)})" if columns else ""
