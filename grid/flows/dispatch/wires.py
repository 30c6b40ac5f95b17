"""Which wires each home hangs on, and what they carry."""

from collections.abc import Iterable

from grid.models import Feeder

WATTS_PER_KW = 1000


class Wires:
    """All feeders and transformers, as they are now."""

    def __init__(self) -> None:
        self.rows: dict[int, Feeder] = {row.pk: row for row in Feeder.objects.all()}

    def above(self, feeder: int | None) -> tuple[int, ...]:
        """Return the keys of the wires from `feeder` up."""
        found: list[int] = []
        while feeder is not None and feeder in self.rows and feeder not in found:
            found.append(feeder)
            feeder = self.rows[feeder].above_id
        return tuple(found)

    def top(self, feeder: int) -> int:
        """Return the key of the wire above all others that `feeder` hangs on; wires of one top share cars."""
        return self.above(feeder)[-1]

    def below(self, feeders: Iterable[int]) -> set[int]:
        """Return the keys of all wires that hang on these, themselves included."""
        wanted = set(feeders)
        return {key for key in self.rows if wanted.intersection(self.above(key))}
