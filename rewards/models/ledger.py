"""Accounts, transfers between them, and the chain that seals the transfers. Written by `rewards.ledger` alone."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class LedgerAccount(models.Model):
    """One side of transfers, in one currency. Posted counters only grow; balance = credits - debits, in minor units.

    An account of the platform's own, which every owner's transfers pass, is kept in parts on PostgreSQL: rows of
    their own that belong to the account, so that writers at the same time do not queue for one row's lock.
    """

    class Kind(models.TextChoices):
        """What the account holds."""

        UTILITY_RECEIVABLE = "utility_receivable", "owed by a utility"
        OWNER_PAYABLE = "owner_payable", "owed to an owner"
        PAID_OUT = "paid_out", "gone through the processor: sent to owners, less what was topped up"
        FUNDING = "funding", "brought to the processor by top-ups"
        PROCESSOR_FEES = "processor_fees", "kept by the processor: the platform's cost, never an owner's"
        UTILITY_PAID = "utility_paid", "paid by utilities for their invoices"
        CORRECTIONS = "corrections", "borne by the platform: owners keep what a correction takes back from the utility"

    kind = models.CharField(max_length=24, choices=Kind)
    key = models.CharField(
        max_length=80, help_text="Whose: the owner's public id, the utility's slug, the processor's name."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="ledger_accounts"
    )
    currency = models.CharField(max_length=3)
    part_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="parts", db_index=False
    )  # the constraint below is the index
    part = models.PositiveSmallIntegerField(default=0, help_text="0: the account itself.")
    debits_posted = models.BigIntegerField(default=0)
    credits_posted = models.BigIntegerField(default=0)
    debits_pending = models.BigIntegerField(default=0)
    credits_pending = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key", "currency", "part"], name="one_account_per_kind_key_currency"
            ),
            models.UniqueConstraint(fields=["part_of", "part"], name="each_part_of_an_account_once"),
            models.CheckConstraint(
                condition=Q(part=0, part_of__isnull=True) | (Q(part__gt=0) & Q(part_of__isnull=False)),
                name="a_part_belongs_to_an_account",
            ),
            models.CheckConstraint(
                condition=Q(debits_posted__gte=0, credits_posted__gte=0, debits_pending__gte=0, credits_pending__gte=0),
                name="counters_not_negative",
            ),
            models.CheckConstraint(
                condition=~Q(kind="owner_payable") | Q(credits_posted__gte=F("debits_posted") + F("debits_pending")),
                name="owner_payable_never_overdrawn",
            ),
            models.CheckConstraint(condition=Q(currency__in=["USD", "CAD"]), name="ledger_currency_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.currency}"

    @property
    def whole_id(self) -> int:
        """The primary key of the account that this row is, or is a part of."""
        return self.part_of_id or self.pk


class Transfer(models.Model):
    """One movement: one debit, one credit, a positive amount. Rows are never edited or deleted; triggers refuse it.

    `pending` reserves; `post` and `void` end a pending one; `reversal` undoes a posted one.
    """

    class Kind(models.TextChoices):
        """What the row does."""

        SINGLE = "single", "posted at once"
        PENDING = "pending", "reserved"
        POST = "post", "reservation posted"
        VOID = "void", "reservation lifted"
        REVERSAL = "reversal", "undone"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=160, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    debit = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="debit_transfers", db_index=False
    )  # the indexes below also serve statements in order
    credit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="credit_transfers", db_index=False)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    label = models.CharField(max_length=160, blank=True)
    of = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="ended_by",
        help_text="The pending or posted transfer that this one ends or undoes.",
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["debit", "id"], name="transfer_by_debit"),
            models.Index(fields=["credit", "id"], name="transfer_by_credit"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two_accounts"),
            models.CheckConstraint(
                condition=(Q(kind__in=["single", "pending"]) & Q(of__isnull=True))
                | (Q(kind__in=["post", "void", "reversal"]) & Q(of__isnull=False)),
                name="transfer_refers_where_it_must",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor} {self.currency}"


class ChainLink(models.Model):
    """Seals one transfer: its hash covers the row's and the link's before, so that a changed row breaks the chain.

    `row_hash` is kept so that an owner can be shown the chain between their own rows without anybody else's.

    Links are laid by a sweep after the transfers committed; their order, not the transfers', is the chain's.
    """

    transfer = models.OneToOneField(Transfer, on_delete=models.PROTECT, related_name="chain_link")
    previous_hash = models.CharField(max_length=64, unique=True, help_text="Unique, so that the chain cannot fork.")
    row_hash = models.CharField(max_length=64, help_text="SHA-256 over the transfer's columns.")
    hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 over the previous hash and the row's.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.hash[:12]
