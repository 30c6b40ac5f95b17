"""How many times the long tests repeat: a share in every run, all of it under CHARGESCAPE_FULL=1.

A full count may be split: CHARGESCAPE_SHARE=2/5 makes the second of five shares, which any machine can do at any time,
so that a long count can be interrupted and gone on with, share by share. Shares differ by their seeds.
"""

import os

IS_FULL = bool(os.environ.get("CHARGESCAPE_FULL"))
_SHARE = os.environ.get("CHARGESCAPE_SHARE", "1/1")
SHARE, SHARES = (int(number) for number in _SHARE.split("/"))
if not 1 <= SHARE <= SHARES:
    raise ValueError(f"CHARGESCAPE_SHARE is {_SHARE}: say which of how many, such as 2/5")


def count(*, full: int, short: int) -> int:
    """Return how often this run repeats, rounded up so that the shares add up to at least the full count."""
    return -(-full // SHARES) if IS_FULL else short
