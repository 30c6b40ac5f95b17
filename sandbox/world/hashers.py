"""How the sandbox stores its pretend secrets."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """One round only: the client secret is checked on every token call, and no secret here protects anything real."""

    algorithm = "quick_pbkdf2_sha256"
    iterations = 1
