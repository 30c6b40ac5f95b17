"""What is asked of PostgreSQL: nobody's sleep keeps rows from others for ever."""

from chargescape.databases import postgres_options


def test_sleeping_transactions_end_whatever_else_the_address_asks() -> None:
    ends = "-c idle_in_transaction_session_timeout=60000"
    assert postgres_options({}) == {"options": ends}
    asked = {"OPTIONS": {"sslmode": "require", "options": "-c search_path=cs"}}
    assert postgres_options(asked) == {"sslmode": "require", "options": f"-c search_path=cs {ends}"}
    assert postgres_options({"OPTIONS": postgres_options({})}) == {"options": ends}
