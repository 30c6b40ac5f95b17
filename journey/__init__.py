"""Walks the whole path as users would: over HTTP, importing nothing of the platform."""
