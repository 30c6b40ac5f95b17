"""Many cars under shared limits."""


class LimitsError(ValueError):
    """A file of limits that breaks the format."""


def plan_fleet(problems, limits, *, threads=1):  # type: ignore[no-untyped-def]
    """Plan all problems together."""
    raise LimitsError("not built yet")
