"""Which fault strikes now."""

from datetime import datetime

from django.db.models import F

from sandbox.stripe.models import Fault


def take(kind: str, *, operation: str = "") -> Fault | None:
    """Use up one strike of a fault of this kind for this operation; None where none is switched on."""
    for fault in Fault.objects.filter(kind=kind, operation__in=["", operation], remaining__gt=0):
        # Two calls may race for the last strike: the conditional update gives it to one.
        if Fault.objects.filter(pk=fault.pk, remaining__gt=0).update(remaining=F("remaining") - 1):
            Fault.objects.filter(pk=fault.pk, remaining=0).delete()
            return fault
    return None


class Switched:
    """The kinds of faults that may strike one call, looked up once: mostly none is on, and a call asks for many."""

    def __init__(self, operation: str = "") -> None:
        self._operation = operation
        found = Fault.objects.filter(operation__in=["", operation], remaining__gt=0)
        self._kinds = set(found.values_list("kind", flat=True))

    def take(self, kind: str) -> Fault | None:
        """Use up one strike as `take` does."""
        return take(kind, operation=self._operation) if kind in self._kinds else None


def is_webhook_outage(*, wall: datetime) -> bool:
    """Whether no webhook gets through at the real instant `wall`."""
    return Fault.objects.filter(kind=Fault.Kind.WEBHOOK_OUTAGE, until_at__gt=wall).exists()
