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
