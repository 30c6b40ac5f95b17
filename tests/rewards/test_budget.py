"""Sweeps stop claiming work before their task's time is up."""

from types import SimpleNamespace

import pytest

from rewards.flows import budget


def test_sweep_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 0.0, 19.0, 21.0])
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert list(budget.in_time("abcd")) == ["a", "b"]
