"""Walks the whole path as people would: starts the stack's processes and talks to them over HTTP.

It imports nothing of the platform and nothing of the sandbox, so what it finds is what a user finds.
"""
