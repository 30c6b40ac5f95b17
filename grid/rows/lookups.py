"""Conditions on thousands of keys."""

from typing import TYPE_CHECKING, Any

from django.db.models import BigAutoField, BigIntegerField, ForeignKey, Lookup

if TYPE_CHECKING:
    _Lookup = Lookup[Any]
else:
    _Lookup = Lookup


class AnyOf(_Lookup):
    """`pk__any_of=[...]`: like `in`, for thousands of whole numbers in one parameter."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the condition for databases that read JSON."""
        left, parameters = self.process_lhs(compiler, connection)
        listed = "(SELECT value FROM json_each(%s))"
        return f"{left} IN {listed}", [*parameters, f"[{self._listed()}]"]

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the condition for PostgreSQL."""
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s::bigint[])", [*parameters, "{" + self._listed() + "}"]

    def _listed(self) -> str:
        return ",".join(str(int(key)) for key in self.rhs)


for _kind in (BigAutoField, BigIntegerField, ForeignKey):
    _kind.register_lookup(AnyOf)
