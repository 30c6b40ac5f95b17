"""Thousands of database rows read and written at once."""
