"""From which yearly total on a payer reports what it paid, as dated data. Information, not advice: ask a tax adviser.

Amounts are minor units paid to one person in one calendar year. Sources: IRC section 6041(a) as amended for payments
after 2025 (2,000 USD, indexed from 2027; 600 USD before); CRA guide RC4157, T4A (500 CAD where no tax was withheld).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """What holds from `from_year` on in one country, until a later row says otherwise."""

    country: str
    currency: str
    from_year: int
    amount_minor: int
    form: str


THRESHOLDS = (
    Threshold("US", "USD", 2000, 60_000, "1099"),
    Threshold("US", "USD", 2026, 200_000, "1099"),
    Threshold("CA", "CAD", 2000, 50_000, "T4A"),
)


def threshold_of(*, country: str, currency: str, year: int) -> Threshold | None:
    """Return the threshold in force in `year`; None where nothing is known of that country and currency."""
    known = [row for row in THRESHOLDS if (row.country, row.currency) == (country, currency) and row.from_year <= year]
    return max(known, key=lambda row: row.from_year, default=None)
