"""Money on the stand-in's pages."""

from django import template

register = template.Library()


@register.filter
def minor(amount: int, currency: str) -> str:
    """Return minor units as an amount: 1234 of usd is "12.34 USD"."""
    sign = "-" if amount < 0 else ""
    whole, cents = divmod(abs(amount), 100)
    return f"{sign}{whole:,}.{cents:02d} {currency.upper()}"
