"""Tariffs in the admin: typed in currency, checked, version by version; or loaded from a file of OpenEI's database."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import AnyAdmin
from grid.admin.bases import AnyModelChoice, AnyModelForm, RateField
from grid.flows.prices.tariffs import (
    LoadedTariff,
    UnableToSaveTariff,
    check_rules,
    fetch_tariff,
    left_behind,
    load_tariff,
)
from grid.models import Tariff, Utility
from grid.rules.tariffs import MONTH_KWH

MOST_BYTES = 5_000_000
MOST_RECORDS = 500


class TariffForm(AnyModelForm):
    """Rates are typed in currency per kWh, rules are checked as plans would read them."""

    flat_rate_micros_per_kwh = RateField(label="Flat rate", help_text="Currency per kWh.", initial=0)
    delivery_micros_per_kwh = RateField(label="Delivery", help_text="Currency per kWh, added when buying.", initial=0)
    export_rate_micros_per_kwh = RateField(label="Export", help_text="Currency per kWh delivered.", initial=0)
    version = forms.IntegerField(
        required=False, min_value=1, help_text="A higher number keeps the rates of before for the days before."
    )
    month_kwh = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=100_000,
        help_text="What a household is taken to use in a month before its car; it decides the tier.",
    )

    class Meta:
        model = Tariff
        fields = "__all__"

    def clean_version(self) -> int:
        """Keep the number where none is typed."""
        return int(self.cleaned_data["version"] or self.instance.version)

    def clean_month_kwh(self) -> int:
        """Take the usual one where none is typed."""
        typed = self.cleaned_data["month_kwh"]
        return MONTH_KWH if typed is None else int(typed)

    def _post_clean(self) -> None:
        """Refuse rules that make no sense, and a version that does not fit the one before it."""
        before = Tariff.objects.filter(pk=self.instance.pk).first()
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, which the stubs leave out
        if self.errors:
            return
        try:
            check_rules(self.instance)
            if before is not None and self.instance.version > before.version:
                self.instance.other_versions = left_behind(before, valid_from_date=self.instance.valid_from_date)
            elif before is not None and self.instance.version < before.version:
                raise UnableToSaveTariff(f"Version {before.version} is there already.", code="older_version")
        except UnableToSaveTariff as refusal:
            self.add_error(None, refusal.reason)


class UtilityChoice(AnyModelChoice):
    """Utilities whose tariffs the database knows."""

    def __init__(self) -> None:
        super().__init__(queryset=Utility.objects.filter(currency="USD"))


class RecordForm(forms.Form):
    """A file of records, or the label of one to ask for."""

    utility = UtilityChoice()
    file = forms.FileField(required=False, help_text="JSON of OpenEI's utility_rates: one record, a list, or items.")
    label = forms.CharField(required=False, max_length=40, help_text="Only this record; without a file: ask OpenEI.")
    slug = forms.SlugField(required=False, help_text="The tariff to make, or to give its next version (one record).")

    def clean(self) -> dict[str, Any]:
        """Read the records, or leave the asking to the label."""
        told: dict[str, Any] = super().clean() or {}
        file, label = told.get("file"), told.get("label", "")
        if file is None:
            told["records"] = []
            if not label:
                raise forms.ValidationError("Choose a file, or name a label.")
            return told
        if file.size > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 5 MB: take single records out of it.")
        told["records"] = _read(file.read(), label)
        if told.get("slug") and len(told["records"]) > 1:
            raise forms.ValidationError("The file has several records: name the label of one.")
        return told


def _read(content: bytes, label: str) -> list[Any]:
    try:
        told = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise forms.ValidationError(f"The file is no JSON: {error}") from error
    if isinstance(told, dict):
        told = told.get("items", [told])
    found = [record for record in told if not label or _label(record) == label] if isinstance(told, list) else []
    if not 0 < len(found) <= MOST_RECORDS:
        raise forms.ValidationError(f"The file holds {len(found)} such records; 1 to {MOST_RECORDS} can be loaded.")
    return found


def _label(record: object) -> str:
    return str(record.get("label", "?")) if isinstance(record, dict) else "?"


@admin.register(Tariff)
class TariffAdmin(AnyAdmin):
    form = TariffForm
    list_display = ["name", "utility", "kind", "version", "valid_from_date", "price_feed", "last_holiday", "source"]
    list_filter = ["utility", "kind"]
    search_fields = ["name", "slug"]
    list_select_related = ["utility", "price_feed"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["versions_before"]
    change_list_template = "admin/grid/tariff/change_list.html"

    @admin.display(description="holidays told until")
    def last_holiday(self, tariff: Tariff) -> str:
        return max(tariff.holidays, default="-")

    @admin.display(description="other versions")
    def versions_before(self, tariff: Tariff) -> str:
        told = [
            f"{record['version']}: {record['valid_from_date'] or 'always'} to {record['valid_until_date'] or 'open'}"
            for record in tariff.other_versions
        ]
        return "; ".join(told) or "-"

    def get_urls(self) -> list[URLPattern]:
        own = path("load/", self.admin_site.admin_view(self.load_view), name="grid_tariff_load")
        return [own, *super().get_urls()]

    def load_view(self, request: HttpRequest) -> HttpResponse:
        """Load records of OpenEI's database; what cannot be priced faithfully is named and left out."""
        if not (request.user.has_perm("grid.add_tariff") and request.user.has_perm("grid.change_tariff")):
            raise PermissionDenied
        form = RecordForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            options = {"utility": told["utility"], "slug": told["slug"]}
            if not told["records"]:
                self._load(request, told["label"], label=told["label"], **options)
            for record in told["records"]:
                self._load(request, _label(record), record=record, **options)
            return HttpResponseRedirect(reverse("admin:grid_tariff_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Load tariffs of OpenEI's database",
            "opts": self.opts,
            "form": form,
            "back": reverse("admin:grid_tariff_changelist"),
        }
        return TemplateResponse(request, "admin/grid/tariff/load.html", context)

    def _load(self, request: HttpRequest, name: str, **options: Any) -> None:
        try:
            loaded: LoadedTariff = load_tariff(**options) if "record" in options else fetch_tariff(**options)
        except UnableToSaveTariff as refusal:
            self.message_user(request, f"{name}: {refusal.reason}", messages.ERROR)
            return
        said = f"Loaded version {loaded.tariff.version} from OpenEI's record {name}."
        self.log_change(request, loaded.tariff, said)
        self.message_user(request, f"{loaded.tariff}: {said} {' '.join(loaded.warnings)}", messages.SUCCESS)
