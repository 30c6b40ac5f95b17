"""Prices, carbon and tariffs: fetched, uploaded, kept as issued, read slot by slot."""
