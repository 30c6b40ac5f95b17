"""Tonight's plan for each car, and when the next one is due."""

import uuid
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from grid.arrays.packing import unpack_plan
from grid.rows import lookups  # noqa: F401 - registers `any_of`
from vehicles.models import PlugSession, Vehicle


class PlanningStates(models.QuerySet["PlanningState"]):
    """Claims: one worker at a time plans a car, and one at a time steers it."""

    def claim_plan_due(self, *, now: datetime, wall: datetime, limit: int, lease_seconds: int) -> list[int]:
        """Lease up to `limit` cars whose plan is due at `now`; return the rows' keys, longest due first."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=wall)
        with transaction.atomic():
            due = self.filter(free, due_at__lte=now).order_by("due_at", "pk")
            keys = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
            if keys:
                self.filter(pk__any_of=keys).update(lease_until=wall + timedelta(seconds=lease_seconds))
        return keys

    def claim_dispatch_due(self, *, now: datetime, wall: datetime, limit: int, lease_seconds: int) -> list[int]:
        """Lease up to `limit` cars that are due to be steered at `now`; return the rows' keys, longest due first."""
        free = Q(dispatch_lease_until__isnull=True) | Q(dispatch_lease_until__lte=wall)
        with transaction.atomic():
            due = self.filter(free, dispatch_at__lte=now).order_by("dispatch_at", "pk")
            keys = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
            self.filter(pk__in=keys).update(dispatch_lease_until=wall + timedelta(seconds=lease_seconds))
        return keys

    def nudge(self, **values: Any) -> int:
        """Update those of these rows that nobody is at work on just now, and return how many.

        Nobody is waited for: whoever nudges often holds a car or an event, and who steers or plans holds these rows
        and asks for the car next. What is left out, the sweeps notice by themselves.
        """
        with transaction.atomic():
            free = list(self.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
            return PlanningState.objects.filter(pk__any_of=free).update(**values) if free else 0


class PlanningState(models.Model):
    """When a car's next plan is due, what the last one was made from, and when the car is steered next.

    What the last plan knew is compared with what holds now, so a change that nobody announced is noticed all the same.
    """

    vehicle = models.OneToOneField(Vehicle, on_delete=models.CASCADE, related_name="planning")
    due_at = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A planner is at work until then (wall time).")
    planned_at = models.DateTimeField(null=True, blank=True, help_text="When it was last looked at.")
    preference_version = models.PositiveIntegerField(default=0)
    site_version = models.PositiveIntegerField(default=0)
    plug_session = models.ForeignKey(
        PlugSession, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Planned for."
    )
    override_mark = models.BigIntegerField(default=0, help_text="Which overrides it knew: the sum of their keys.")
    event_mark = models.BigIntegerField(default=0, help_text="Which events it knew: the sum of their marks.")
    prices_until = models.DateTimeField(null=True, blank=True, help_text="How far market prices were known.")
    obstacle = models.CharField(max_length=40, blank=True, help_text="Why there is no plan.")
    habit = models.JSONField(null=True, blank=True, help_text="What the car usually does, as flows/habits.py keeps it.")
    learnt_at = models.DateTimeField(null=True, blank=True, help_text="When its habit was learnt.")
    dispatch_at = models.DateTimeField(null=True, blank=True, help_text="When the car is to be steered next.")
    dispatch_lease_until = models.DateTimeField(
        null=True, blank=True, help_text="A dispatcher is at work until then (wall time)."
    )

    objects = PlanningStates.as_manager()

    class Meta:
        indexes = [
            # In the order of the claims: thousands may be due at one instant, and none of them is sorted to claim some.
            models.Index(fields=["due_at", "id"], name="plan_due_first"),
            models.Index(fields=["dispatch_at", "id"], name="dispatch_due_first"),
        ]

    def __str__(self) -> str:
        return f"plan of {self.vehicle} due {self.due_at:%Y-%m-%d %H:%M}"


class PlanningWatch(models.Model):
    """How far the search for plans out of date has come; one row."""

    after = models.BigIntegerField(default=0, help_text="States up to this key were compared in this round.")
    last_stay = models.BigIntegerField(default=0, help_text="The newest stay at a plug that was seen.")
    looked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"plans compared up to {self.after}"


class Plan(models.Model):
    """A plan over slots of `slot_minutes` from `starts_at`. The newest one of a car counts.

    `arrays` packs the planner's input and output (grid/arrays/packing.py), from which `problem` and `solution` are read
    as docs/planner-format.md fixes them, so that a plan can be recomputed. `made_from` names the versions it was made
    from (preference, site, events, feed issues, reading).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # `plan_newest` begins with the car: an index of the car alone would find nothing sooner.
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="plans", db_index=False)
    made_at = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True)
    starts_at = models.DateTimeField()
    slot_minutes = models.PositiveSmallIntegerField(default=15)
    departure_at = models.DateTimeField(null=True, blank=True)
    arrays = models.BinaryField()
    made_from = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)

    class Meta:
        ordering = ["-made_at", "-pk"]
        indexes = [
            models.Index(fields=["vehicle", "-made_at"], name="plan_newest"),
            models.Index(fields=["made_at"], condition=Q(is_current=False), name="plan_superseded"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["vehicle"], condition=Q(is_current=True), name="one_current_plan_per_vehicle"
            )
        ]

    def __str__(self) -> str:
        return f"plan {self.made_at:%Y-%m-%d %H:%M}"

    @cached_property
    def _unpacked(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return unpack_plan(bytes(self.arrays))

    @property
    def problem(self) -> dict[str, Any]:
        """The planner's input, as docs/planner-format.md fixes it."""
        return self._unpacked[0]

    @property
    def solution(self) -> dict[str, Any]:
        """The planner's output, as docs/planner-format.md fixes it."""
        return self._unpacked[1]

    @property
    def inputs(self) -> dict[str, Any]:
        """What the plan was made from, with the tariff's prices and the baseline slot by slot."""
        return {**self.made_from, **self._unpacked[2]}

    @property
    def ends_at(self) -> datetime:
        """The end of the last slot."""
        return self.starts_at + timedelta(minutes=self.slot_minutes * len(self.solution["power_kw"]))

    def slot_at(self, at: datetime) -> int | None:
        """Return the index of the slot that holds the instant `at`, or None where the plan says nothing of it."""
        index = int((at - self.starts_at) // timedelta(minutes=self.slot_minutes))
        return index if 0 <= index < len(self.solution["power_kw"]) else None

    def slot_starts_at(self, index: int) -> datetime:
        """Return the start of slot `index`."""
        return self.starts_at + timedelta(minutes=self.slot_minutes * index)

    def soc_percent_at(self, at: datetime) -> float | None:
        """Return the SoC that the plan expects at `at`, linear within a slot, or None outside the plan."""
        index = self.slot_at(at)
        if index is None:
            return None
        share = (at - self.slot_starts_at(index)) / timedelta(minutes=self.slot_minutes)
        before, after = self.solution["soc_percent"][index : index + 2]
        return float(before + (after - before) * share)
