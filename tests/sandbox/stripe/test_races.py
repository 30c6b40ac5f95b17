from concurrent.futures import ThreadPoolExecutor

from tests.sandbox.stripe.conftest import PretendStripe
from tests.sandbox.stripe.test_happy_path import platform_balance
from tests.sandbox.stripe.test_idempotency import count


def test_one_key_moves_money_once_however_many_call(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    form = {"amount": 100, "currency": "usd", "destination": account_id, "transfer_group": "race"}

    def call(_: int) -> int:
        return pretend.raw("POST", "/v1/transfers", data=form, headers={"Idempotency-Key": "race"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(call, range(24)))
    assert statuses <= {200, 409}
    assert 200 in statuses
    assert count(pretend, "race") == 1


def test_balance_is_never_spent_twice(pretend: PretendStripe) -> None:
    account_id = pretend.make_payee()
    third = platform_balance(pretend, "cad") // 3 + 1
    form = {"amount": third, "currency": "cad", "destination": account_id, "transfer_group": "spend"}

    def call(_: int) -> int:
        return pretend.raw("POST", "/v1/transfers", data=form).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(call, range(8)))
    left = platform_balance(pretend, "cad")
    pretend.client.v1.topups.create({"amount": 2 * third, "currency": "cad"})
    assert sorted(statuses) == [200, 200, *[400] * 6]
    assert left >= 0
