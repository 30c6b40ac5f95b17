"""A utility's desk with everything on it: six owners' cars in a settled event, under review, and its people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import User
from grid.flows.desk.membership import invite_member
from grid.flows.settlement.settling import post_due_settlements, settle_due
from grid.models import GridEvent, GroupSettlement, Invoice, Nomination, Rehearsal, Utility, UtilityMember
from tests.factories import grid
from tests.grid.flows.settlement import group_events

CARS = 6


@dataclass(frozen=True)
class DeskWorld:
    """One utility, its event, and who works there."""

    utility: Utility
    event: GridEvent
    group: GroupSettlement
    reader: User
    reviewer: User
    lead: User
    settled_at: datetime

    def values(self) -> dict[str, Any]:
        """Return an argument of an address -> what it stands for at this desk."""
        found = {"utility": self.utility.slug, "event": self.event.public_id, "form": "csv", "what": "cars"}
        found["program"] = self.event.terms.program.public_id
        for model, name in ((Invoice, "invoice"), (Rehearsal, "rehearsal")):
            row = model.objects.first()
            if row is not None:
                found[name] = row.public_id
        return found


def member(utility: Utility, role: str, *, now: datetime) -> User:
    """Return one of the utility's people."""
    address = f"{role}@{utility.slug}.example"
    made = invite_member(email=address, name=role.title(), utility=utility, role=role, invited_by=None, now=now)
    return made.user


def build_desk(*, now: datetime, cars: int = CARS, hours: int = 48, **terms: Any) -> DeskWorld:
    """Return a desk whose event of this evening was settled by the group; the utility may object for `hours`."""
    event = group_events.event(now=now, **({"objection_hours": hours} | terms))
    for number in range(cars):
        part = group_events.take_part(event, group_events.owner(number), now=now)
        group_events.took(part, 1_000 * number)
    settle_due(now=event.settle_at, limit=10)
    post_due_settlements(now=event.settle_at, limit=100)
    event.refresh_from_db()
    utility = event.terms.program.utility
    roles = UtilityMember.Role
    return DeskWorld(
        utility=utility,
        event=event,
        group=GroupSettlement.objects.get(event=event),
        reader=member(utility, roles.READER, now=now),
        reviewer=member(utility, roles.REVIEWER, now=now),
        lead=member(utility, roles.LEAD, now=now),
        settled_at=event.settle_at,
    )


def nominated(world: DeskWorld, *, at: datetime) -> Nomination:
    """Return an hour that the world's program was nominated for."""
    return Nomination.objects.create(
        program=world.event.terms.program,
        starts_at=at,
        hold_w=12_000,
        discharge_w=3_000,
        cars=CARS,
        method="recorded-stays-quantile",
        inputs={"quantile_percent": 10, "days": ["2026-11-12"], "hold_w": [12_000], "discharge_w": [3_000]},
        made_at=at,
    )


def elsewhere(*, now: datetime) -> User:
    """Return somebody of another utility."""
    return member(grid.utility("maple-grid", country="CA"), UtilityMember.Role.LEAD, now=now)
