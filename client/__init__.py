"""A typed client of ChargeScape's API, for apps and scripts. It needs `requests` and nothing of the platform.

`api.py` and `models.py` are written by `generate.py` from the schema; the rest is by hand.
"""

from client.api import Api
from client.http import Problem, Transport, Unreachable
from client.signing_in import ChargeScape, SignInPending

__all__ = ["Api", "ChargeScape", "Problem", "SignInPending", "Transport", "Unreachable"]
