"""Leases: one holder at a time, and a lapsed one can be taken over."""

import pytest

from foundation import leases
from foundation.models import Lease

pytestmark = pytest.mark.django_db


def test_a_held_lease_is_refused_to_others() -> None:
    assert leases.acquire("refresh:1", seconds=30)
    assert leases.acquire("refresh:1", seconds=30) is None


def test_a_lapsed_lease_can_be_taken_over_and_fences_off_its_first_holder() -> None:
    first = leases.acquire("refresh:1", seconds=-1)
    second = leases.acquire("refresh:1", seconds=30)
    assert first
    assert second
    assert not leases.release("refresh:1", first)
    assert Lease.objects.get(name="refresh:1").token == second


def test_a_block_gives_its_lease_back() -> None:
    with leases.held("sweep", seconds=30) as is_held:
        assert is_held
        with leases.held("sweep", seconds=30) as again:
            assert not again
    assert leases.acquire("sweep", seconds=30)


def test_of_many_those_that_are_free_are_taken_and_given_back_together() -> None:
    taken = leases.acquire("car:1", seconds=30)
    leases.acquire("car:2", seconds=-1)  # lapsed

    token, ours = leases.acquire_all(["car:3", "car:1", "car:2"], seconds=30)

    assert ours == {"car:2", "car:3"}
    assert leases.acquire_all(["car:1", "car:2", "car:3"], seconds=30)[1] == frozenset()
    leases.release_all(["car:1", *ours], token)
    assert leases.acquire_all(["car:1", "car:2", "car:3"], seconds=30)[1] == ours
    assert taken
    assert leases.release("car:1", taken)
