"""SQL that makes the ledger's history immutable in the database itself, where no code path can get around it."""

TABLES = ("rewards_transfer", "rewards_chainlink")
_WORDS = ("update", "delete")
_REFUSE_ON_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION rewards_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'ledger rows are append-only' USING ERRCODE = 'integrity_constraint_violation'; "
    "END $$"
)


def trigger_names(vendor: str) -> set[str]:
    """Return the names of the triggers that must exist on a database of `vendor`."""
    words = (*_WORDS, "truncate") if vendor == "postgresql" else _WORDS
    return {f"{table}_refuses_{word}" for table in TABLES for word in words}


def install_sql(vendor: str) -> list[str]:
    """Return the statements that make UPDATE and DELETE (PostgreSQL: TRUNCATE too) of ledger rows fail."""
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {table}_refuses_{word} BEFORE {word.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'ledger rows are append-only'); END"
            for table in TABLES
            for word in _WORDS
        ]
    if vendor == "postgresql":
        return [
            _REFUSE_ON_POSTGRESQL,
            *(
                f"CREATE TRIGGER {table}_refuses_{word} BEFORE {word.upper()} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION rewards_refuse_change()"
                for table in TABLES
                for word in _WORDS
            ),
            *(
                f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION rewards_refuse_change()"
                for table in TABLES
            ),
        ]
    raise NotImplementedError(f"no append-only triggers for {vendor}")


def lift_sql(vendor: str) -> list[str]:
    """Return the statements that lift the triggers again: for migrations backwards and for emptying a test database."""
    if vendor == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {name}" for name in sorted(trigger_names(vendor))]
    return [
        f"DROP TRIGGER IF EXISTS {name} ON {name.partition('_refuses_')[0]}" for name in sorted(trigger_names(vendor))
    ]
