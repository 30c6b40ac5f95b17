"""What takes two people: events above their utility's limit, alone or together with whatever else it asks meanwhile."""

from datetime import datetime

from grid.flows.events.rules import UnableToSaveEvent
from grid.models import EventApproval, GridEvent, ProgramTerms, Utility


def lock_utility(terms: ProgramTerms) -> Utility:
    """Lock the terms' utility until the transaction ends: two events of one utility are not weighed at once."""
    return Utility.objects.select_for_update().get(pk=terms.program.utility_id)


def needs_two(
    utility: Utility, *, starts_at: datetime, ends_at: datetime, target_w: int, ignoring: GridEvent | None = None
) -> bool:
    """Say whether an event takes two people: it, and all that the utility asks at any one moment of it, add up."""
    others = GridEvent.objects.filter(
        terms__program__utility=utility,
        state__in=GridEvent.OPEN_STATES,
        starts_at__lt=ends_at,
        ends_at__gt=starts_at,
    )
    if ignoring is not None:
        others = others.exclude(pk=ignoring.pk)
    spans = list(others.values_list("starts_at", "ends_at", "target_w"))
    # The sum is largest where one of them begins.
    moments = [starts_at, *(begins for begins, _, _ in spans if begins > starts_at)]
    most_w = max(sum(power for begins, ends, power in spans if begins <= at < ends) for at in moments)
    return target_w + most_w > utility.two_person_limit_w


def recheck(event: GridEvent, *, starts_at: datetime, ends_at: datetime, target_w: int) -> None:
    """Look whether a changed event takes two people now; one that owners do not know of yet waits for them again.

    What two people have agreed to holds for less as well. Raises UnableToSaveEvent for an event that owners know of:
    it goes on as it was.
    """
    if event.state == GridEvent.State.DRAFT:
        return
    utility = lock_utility(event.terms)
    if not needs_two(utility, starts_at=starts_at, ends_at=ends_at, target_w=target_w, ignoring=event):
        return
    is_within = target_w <= event.target_w and event.starts_at <= starts_at and ends_at <= event.ends_at
    approval = EventApproval.objects.filter(event=event).first()
    agreed_w = 0 if approval is None else approval.target_w or event.target_w
    if is_within or target_w <= agreed_w:
        return
    if event.state == GridEvent.State.ANNOUNCED:
        raise UnableToSaveEvent(
            "So much power needs the yes of two people: ask for the rest as an event of its own.",
            code="needs_two_people",
            field="target_w",
        )
    EventApproval.objects.filter(event=event).delete()
    event.state = GridEvent.State.DRAFT
    event.save(update_fields=["state"])
