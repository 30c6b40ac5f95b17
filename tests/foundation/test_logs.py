"""Quiet logs: nothing personal or secret reaches a handler."""

import logging

import pytest

from foundation.logs import RedactPersonal, line_formatter, redact


@pytest.mark.parametrize(
    "canary",
    [
        "carla.canary@example.org",
        "1FTVW1EL0PWG00001",
        "Bearer canary.token-123",
        "sk_test_canary123",
        "https://maker.example/callback?code=canary&state=canary",
        "30.26715, -97.74306",
        "eyJhbGciOi.canary.canary",
    ],
)
def test_personal_values_are_blacked_out(canary: str) -> None:
    text = redact(f"something about {canary} happened")
    assert "canary" not in text
    assert "FTVW1EL0" not in text
    assert "97.74306" not in text
    assert text.startswith("something about ")


def test_ordinary_lines_stay_as_they_are() -> None:
    assert redact("planned 12 of 12 cars in 0.4 s") == "planned 12 of 12 cars in 0.4 s"


def test_a_traceback_is_redacted_too() -> None:
    try:
        raise ValueError("token=canary-secret")
    except ValueError as error:
        record = logging.LogRecord("t", logging.ERROR, __file__, 1, "failed for %s", ("a@b.example",), None)
        record.exc_info = (type(error), error, error.__traceback__)
    assert RedactPersonal().filter(record)
    line = line_formatter().format(record)
    assert "canary-secret" not in line
    assert "a@b.example" not in line
    assert "ValueError" in line
