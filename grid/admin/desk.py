"""Utilities' people, their objections and their invoices: invited, judged by two, sent, paid."""

from collections.abc import Callable
from typing import Any, cast

from allauth.account.forms import ResetPasswordForm
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import AnyAdmin, ReadOnlyAdmin, ReadOnlyInline
from accounts.models import User
from foundation import clock
from foundation.money import major_units
from foundation.refusals import Refusal
from grid.admin.bases import AnyModelForm
from grid.flows.desk import membership
from grid.flows.settlement import invoicing, reviewing
from grid.models import Dispute, Invoice, InvoiceLine, Nomination, Rehearsal, Utility, UtilityMember

Act = Callable[[Any, User, QueryDict], Any]


def money_of(amount_minor: int, currency: str) -> str:
    """Return an amount for a person."""
    return f"{major_units(amount_minor=amount_minor, currency=currency):,.2f} {currency}"


class ConfirmedAdmin(ReadOnlyAdmin):
    """Rows that flows change, each change asked for on a page of its own. `steps` names them: verb, note, act."""

    right = ""
    steps: dict[str, tuple[str, str, Act]] = {}

    def get_urls(self) -> list[URLPattern]:
        """Add a page for each step."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        pages = [
            path(f"<int:pk>/{slug}/", self.admin_site.admin_view(self._page(slug)), name=f"{name}_{slug}")
            for slug in self.steps
        ]
        return [*pages, *super().get_urls()]

    def _page(self, slug: str) -> Callable[[HttpRequest, int], HttpResponse]:
        def page(request: HttpRequest, pk: int) -> HttpResponse:
            return self._step(request, pk, *self.steps[slug])

        return page

    def _step(self, request: HttpRequest, pk: int, verb: str, note: str, act: Act) -> HttpResponse:
        if not request.user.has_perm(self.right):
            raise PermissionDenied
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk])
        if request.method == "POST":
            try:
                act(row, cast(User, request.user), request.POST)
            except Refusal as refusal:
                self.message_user(request, refusal.reason, messages.WARNING)
            else:
                self.log_change(request, row, verb.lower())
                self.message_user(request, "Done.", messages.SUCCESS)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": verb, "verb": verb, "back": back, "asks_note": note, "rows": self.facts(row),
        }  # fmt: skip
        return TemplateResponse(request, "admin/grid/confirm_step.html", context)

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        """Return what to look at before saying yes."""
        return [("about", row)]

    def links(self, row: Any, *slugs: str) -> SafeString:
        """Return links to the steps that are possible now."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        found = [format_html('<a href="{}">{}</a>', reverse(f"{name}_{one}", args=[row.pk]), self.steps[one][0])
                 for one in slugs]  # fmt: skip
        return SafeString(" · ".join(found) or "-")


class InviteForm(AnyModelForm):
    """Whom to invite, to which utility, as what."""

    email = forms.EmailField(label="E-mail address")
    name = forms.CharField(max_length=120)
    utility: Any = forms.ModelChoiceField(queryset=Utility.objects.order_by("name"))
    role = forms.ChoiceField(choices=UtilityMember.Role.choices)

    class Meta:
        model = UtilityMember
        fields: list[str] = []

    def clean_email(self) -> str:
        """Refuse an address that has an account."""
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("This address has an account: a utility's people need one of their own.")
        return email

    def _post_clean(self) -> None:
        """Leave the row alone: the flow makes it."""


@admin.register(UtilityMember)
class UtilityMemberAdmin(AnyAdmin):
    """A utility's people: invited by staff; they set a password by e-mail, then a second factor."""

    list_display = ["user", "email", "utility", "role", "invited_at", "ended_at"]
    list_filter = ["utility", "role", ("ended_at", admin.EmptyFieldListFilter)]
    search_fields = ["user__email", "user__name", "utility__name"]
    list_select_related = ["user", "utility"]
    actions = ["end"]
    shown = ["user", "email", "utility", "role", "invited_by", "invited_at", "ended_at"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        return super().get_form(request, obj, change, **kwargs) if change else InviteForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(InviteForm.base_fields) if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else self.shown

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> UtilityMember:  # noqa: FBT001 - as above
        member = membership.invite_member(**form.cleaned_data, invited_by=cast(User, request.user), now=clock.now())
        letter = ResetPasswordForm({"email": member.user.email})
        if letter.is_valid():
            letter.save(request)
        return member

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - as above
        """The flow has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - as above
        """A membership has no rows of its own to save."""

    @admin.display(description="e-mail")
    def email(self, member: UtilityMember) -> str:
        return member.user.email

    @admin.action(description="End the membership: the desk opens no more", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[UtilityMember]) -> None:
        """End each; the rows stay."""
        for member in queryset:
            membership.end_membership(member=member, now=clock.now())
            self.log_change(request, member, "ended the membership")


def _judge(*, is_upheld: bool) -> Act:
    def act(dispute: Dispute, person: User, typed: QueryDict) -> None:
        cars = [car for car in typed.get("cars", "").replace(",", " ").split() if car]
        reviewing.resolve_dispute(
            dispute=dispute, is_upheld=is_upheld, resolution=typed.get("note", ""), resolved_by=person,
            now=clock.now(), excluded_cars=cars,
        )  # fmt: skip

    return act


@admin.register(Dispute)
class DisputeAdmin(ConfirmedAdmin):
    """Utilities' objections: one of staff proposes a verdict, a second one of the same mind makes it hold."""

    right = "grid.change_dispute"
    list_display = ["reason", "utility", "event", "state", "what_next", "raised_at", "resolved_at"]
    list_filter = ["state", "group__event__terms__program__utility"]
    search_fields = ["public_id", "reason", "group__event__public_id"]
    list_select_related = ["group__event__terms__program__utility", "proposed_by"]
    date_hierarchy = "raised_at"
    readonly_fields = ["what_next"]
    steps = {
        "uphold": ("Uphold the objection", "What was found", _judge(is_upheld=True)),
        "reject": ("Reject the objection", "What was found", _judge(is_upheld=False)),
    }

    @admin.display(description="utility")
    def utility(self, dispute: Dispute) -> str:
        return str(dispute.group.event.terms.program.utility)

    @admin.display(description="event")
    def event(self, dispute: Dispute) -> str:
        return str(dispute.group.event)

    @admin.display(description="what next")
    def what_next(self, dispute: Dispute) -> str:
        if dispute.state != Dispute.State.OPEN:
            return "-"
        links = self.links(dispute, "uphold", "reject")
        if not dispute.proposed_state:
            return links
        said = f"{dispute.proposed_by} proposes: {dispute.proposed_state}. A second person is needed."
        return format_html("{} {}", said, links)

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        """Return the objection and what has been proposed."""
        return [
            ("objection", row.reason), ("evidence", row.evidence or "-"), ("raised", row.raised_at),
            ("result", row.group), ("proposed", row.proposed_state or "-"), ("by", row.proposed_by or "-"),
            ("left out if upheld", ", ".join(row.excluded_cars) or "-"), ("found", row.resolution or "-"),
        ]  # fmt: skip


class LineInline(ReadOnlyInline):
    """What an invoice asks for."""

    model = InvoiceLine
    fields = ["position", "kind", "about_date", "event", "form", "postings_count", "amount_minor"]
    readonly_fields = ["position", "kind", "about_date", "event", "form", "postings_count", "amount_minor"]


@admin.register(Invoice)
class InvoiceAdmin(ConfirmedAdmin):
    """Utilities' invoices: made by the sweep, sent by one, payment recorded by one and confirmed by another."""

    right = "grid.change_invoice"
    list_display = ["name", "utility", "month_date", "amount", "state", "due_date", "what_next"]
    list_filter = ["state", "utility", "month_date"]
    search_fields = ["public_id", "number", "payment_reference", "utility__name"]
    list_select_related = ["utility", "recorded_by"]
    readonly_fields = ["what_next", "amount"]
    inlines = [LineInline]
    steps = {
        "send": ("Send the invoice", "", lambda row, who, _typed: invoicing.send_invoice(
            invoice=row, sent_by=who, now=clock.now())),
        "record": ("Record the payment", "Reference on the bank statement", lambda row, who, typed:
                   invoicing.record_payment(invoice=row, reference=typed.get("note", ""), recorded_by=who,
                                            now=clock.now())),
        "confirm": ("Confirm the payment", "", lambda row, who, _typed: invoicing.confirm_payment(
            invoice=row, confirmed_by=who, now=clock.now())),
        "void": ("Withdraw the invoice", "Why", lambda row, who, typed: invoicing.void_invoice(
            invoice=row, reason=typed.get("note", ""), voided_by=who, now=clock.now())),
    }  # fmt: skip

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, invoice: Invoice) -> str:
        return money_of(invoice.amount_minor, invoice.currency)

    @admin.display(description="what next")
    def what_next(self, invoice: Invoice) -> str:
        if invoice.state == Invoice.State.DRAFT:
            return self.links(invoice, "send")
        if invoice.state != Invoice.State.SENT:
            return "-"
        if invoice.recorded_by is None:
            return self.links(invoice, "record", "void")
        return format_html("Recorded by {}: {}", invoice.recorded_by, self.links(invoice, "confirm", "record", "void"))

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        """Return what is sent or paid."""
        return [
            ("utility", row.utility), ("month", f"{row.month_date:%Y-%m}"), ("amount", self.amount(row)),
            ("state", row.get_state_display()), ("reference", row.payment_reference or "-"),
            ("recorded by", row.recorded_by or "-"),
        ]  # fmt: skip


@admin.register(Nomination)
class NominationAdmin(ReadOnlyAdmin):
    """What programs were nominated for."""

    list_display = ["program", "starts_at", "hold_w", "discharge_w", "cars", "method", "made_at"]
    list_filter = ["program"]
    date_hierarchy = "starts_at"


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyAdmin):
    """Programs tried on recorded days."""

    list_display = ["name", "utility", "made_by", "made_at"]
    list_filter = ["utility"]
    search_fields = ["public_id", "name"]
