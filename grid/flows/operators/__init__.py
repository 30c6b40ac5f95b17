"""Utilities' servers: what they ask becomes events, and what they are owed is told to them."""
