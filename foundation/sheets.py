"""Cells of CSV files that people open in a spreadsheet program."""

import re

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_RUNS = ("=", "+", "-", "@", "\t", "\r")


def harmless_cell(text: str) -> str:
    """Return `text` so that no spreadsheet program runs it as a formula: a quote before it where it could be one.

    Plain numbers, negative ones too, stay numbers.
    """
    return f"'{text}" if text.startswith(_RUNS) and not _NUMBER.fullmatch(text) else text
