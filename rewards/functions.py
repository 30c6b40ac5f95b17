"""SQL of the function by which PostgreSQL writes one ledger row: both counters and the row in one round trip.

The two accounts are locked in primary-key order, by conditional UPDATEs that judge the row as locked. What is refused
is undone inside the function and told by its answer, so that no error ends the caller's transaction and no savepoint
is needed. A row that concerns the platform's own account goes to one of the account's parts: each connection has its
own, so that two writers seldom meet.
"""

PARTS = 16
# What the function answers instead of the new row's primary key.
TAKEN, REFUSED = 0, -1

_CREDIT = """
        UPDATE rewards_ledgeraccount
           SET credits_posted = credits_posted + posted, credits_pending = credits_pending + reserved
         WHERE id = credit_id AND credits_pending + reserved >= 0;
"""
DEBIT = """
    UPDATE rewards_ledgeraccount
       SET debits_posted = debits_posted + posted, debits_pending = debits_pending + reserved
     WHERE id = debit_id AND debits_pending + reserved >= 0
       AND (posted + reserved <= 0 OR kind <> 'owner_payable'
            OR credits_posted >= debits_posted + debits_pending + posted + reserved);
"""
_UNDO_CREDIT = """
        UPDATE rewards_ledgeraccount
           SET credits_posted = credits_posted - posted, credits_pending = credits_pending - reserved
         WHERE id = credit_id;
"""
_UNDO_DEBIT = """
        UPDATE rewards_ledgeraccount
           SET debits_posted = debits_posted - posted, debits_pending = debits_pending - reserved
         WHERE id = debit_id;
"""
_PART = """
        SELECT id INTO part_id FROM rewards_ledgeraccount
         WHERE part_of_id = {side} AND part = 1 + mod(pg_backend_pid(), {parts});
        {side} := coalesce(part_id, {side});
"""
WRITE_TRANSFER = f"""
CREATE OR REPLACE FUNCTION rewards_write_transfer(
    new_public_id uuid, new_key varchar, new_kind varchar, INOUT debit_id bigint, INOUT credit_id bigint,
    amount bigint, new_currency varchar, new_label varchar, ends_id bigint, at timestamptz, OUT new_id bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    posted bigint := CASE WHEN new_kind IN ('single', 'post', 'reversal') THEN amount ELSE 0 END;
    reserved bigint := CASE WHEN new_kind = 'pending' THEN amount
                            WHEN new_kind IN ('post', 'void') THEN -amount ELSE 0 END;
    part_id bigint;
BEGIN
    IF ends_id IS NULL THEN
        {_PART.format(side="debit_id", parts=PARTS)}
        {_PART.format(side="credit_id", parts=PARTS)}
    END IF;
    new_id := {REFUSED};
    IF credit_id < debit_id THEN
        {_CREDIT}
        IF NOT FOUND THEN RETURN; END IF;
    END IF;
    {DEBIT}
    IF NOT FOUND THEN
        IF credit_id < debit_id THEN
            {_UNDO_CREDIT}
        END IF;
        RETURN;
    END IF;
    IF credit_id > debit_id THEN
        {_CREDIT}
        IF NOT FOUND THEN
            {_UNDO_DEBIT}
            RETURN;
        END IF;
    END IF;
    INSERT INTO rewards_transfer AS made
        (public_id, key, kind, debit_id, credit_id, amount_minor, currency, label, of_id, created_at)
    VALUES (new_public_id, new_key, new_kind, debit_id, credit_id, amount, new_currency, new_label, ends_id, at)
    ON CONFLICT DO NOTHING RETURNING made.id INTO new_id;
    IF new_id IS NULL THEN
        {_UNDO_DEBIT}
        {_UNDO_CREDIT}
        new_id := {TAKEN};
    END IF;
END $$
"""  # noqa: S608 - made of this module's constants alone


def install_sql(vendor: str) -> list[str]:
    """Return the statements that make the function; none on a database whose one writer needs none."""
    return [WRITE_TRANSFER] if vendor == "postgresql" else []


def lift_sql(vendor: str) -> list[str]:
    """Return the statements that remove the function, for migrations backwards."""
    return ["DROP FUNCTION IF EXISTS rewards_write_transfer"] if vendor == "postgresql" else []
