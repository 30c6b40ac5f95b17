"""What a group's settlement is gathered from while it is worked out, and who was drawn to be left alone."""

from django.db import models

from grid.models.events import EventParticipation, GridEvent


class Measurement(models.Model):
    """One car's own result in an event that is settled by the group: kept from its readings until the shares are.

    Energies as in `Settlement`; `metered_wh` is what the method of metered output counts, empty = not known. Its car's
    settlement of the same `revision` takes everything over, and the row goes.
    """

    participation = models.ForeignKey(EventParticipation, on_delete=models.PROTECT, related_name="measurements")
    revision = models.PositiveSmallIntegerField(default=1)
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField(default=1)
    baseline_wh = models.BigIntegerField()
    net_wh = models.BigIntegerField(null=True)
    delivered_wh = models.BigIntegerField(null=True)
    metered_wh = models.BigIntegerField(null=True)
    grade = models.CharField(max_length=12)
    reason = models.CharField(max_length=40, blank=True)
    evidence = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participation", "revision"], name="one_measurement_per_revision")
        ]

    def __str__(self) -> str:
        return f"{self.delivered_wh} Wh of {self.participation_id}"


class LoadHistory(models.Model):
    """What an event's group took on earlier days, for methods that match days; gathered some hundred cars at a time.

    `loads` has by date the Wh of each slot and of how many cars they are; `after` is the last car that is in it.
    """

    event = models.OneToOneField(GridEvent, on_delete=models.PROTECT, related_name="load_history")
    days = models.JSONField(help_text="The days looked at, newest first, and why others were left out.")
    loads = models.JSONField(default=dict)
    after = models.BigIntegerField(default=0)
    cars = models.PositiveIntegerField(default=0)
    is_whole = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "load histories"

    def __str__(self) -> str:
        return f"loads before {self.event}"


class ControlDraw(models.Model):
    """How an event's control group was drawn, before anybody was told; kept so that anybody can draw it again.

    `candidates` has each car's part in the event, a number that stands for its owner and how many events ago that
    owner was drawn; `drawn` the parts that the lot fell on. Never changed.
    """

    event = models.OneToOneField(GridEvent, on_delete=models.PROTECT, related_name="control_draw")
    method = models.SlugField(max_length=40)
    method_version = models.PositiveSmallIntegerField()
    seed = models.CharField(max_length=64)
    share_percent = models.PositiveSmallIntegerField()
    eligible = models.PositiveIntegerField(help_text="Candidates whose owner was not drawn lately.")
    candidates = models.JSONField()
    drawn = models.JSONField()
    drawn_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.drawn)} of {len(self.candidates)} cars drawn for {self.event}"
