"""Series uploaded in the admin: a file, a page that says what would be loaded, then a yes or no. Nothing is edited."""

import csv
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from accounts.admin import AnyAdmin
from accounts.models import User
from foundation import clock
from grid.admin.bases import MICROS, AnyModelChoice
from grid.feeds.uploads import safe_cell
from grid.flows.prices.uploads import MOST_BYTES, UnableToUpload, check_upload, discard_upload, load_upload
from grid.models import Feed, SeriesUpload

COUNTS = ("lines", "good", "bad", "duplicate", "blank", "flagged", "known", "corrections", "gap_count", "overlap_count")


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    return sorted(available_timezones())  # reads a folder of hundreds of files


class FeedChoice(AnyModelChoice):
    """All feeds, those that are not fetched, too."""

    def __init__(self) -> None:
        super().__init__(queryset=Feed.objects.all(), help_text="A series that nobody fetches is a feed, not active.")


class UploadForm(forms.Form):
    """A file of values of one series."""

    feed = FeedChoice()
    file = forms.FileField(
        help_text="CSV: starts_at, ends_at, value, unit; issued_at, source, zone and kind are known."
    )
    time_zone = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "refuse them"), *((name, name) for name in _zones())],
        label="Times without an offset",
        help_text="The clock by which they are read. Times that an autumn night repeats need their offset anyway.",
    )

    def clean_file(self) -> Any:
        """Refuse by size before anything is read."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 20 MB: use `manage.py load_series`.")
        return file


@admin.register(SeriesUpload)
class SeriesUploadAdmin(AnyAdmin):
    """Uploads and what became of them."""

    list_display = ["file_name", "feed", "state", "good_rows", "bad_rows", "new_count", "uploaded_by", "uploaded_at"]
    list_filter = ["state", "feed"]
    search_fields = ["file_name", "uploaded_by__email"]
    list_select_related = ["feed", "uploaded_by"]
    date_hierarchy = "uploaded_at"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("packed")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="good")
    def good_rows(self, upload: SeriesUpload) -> int:
        return int(upload.report.get("good", 0))

    @admin.display(description="bad")
    def bad_rows(self, upload: SeriesUpload) -> int:
        return int(upload.report.get("bad", 0))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/report.csv", view(self.report_view), name="grid_seriesupload_report"),
            path("<int:pk>/load/", view(require_POST(self.load_view)), name="grid_seriesupload_load"),
            path("<int:pk>/discard/", view(require_POST(self.discard_view)), name="grid_seriesupload_discard"),
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a file, and show what it holds."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            try:
                upload = check_upload(
                    feed=told["feed"],
                    file_name=told["file"].name,
                    body=told["file"].read(),
                    time_zone=told["time_zone"],
                    by=cast(User, request.user),
                    now=clock.now(),
                )
            except UnableToUpload as refusal:
                form.add_error("file", refusal.reason)
            else:
                self.log_change(request, upload, f"Uploaded for {upload.feed}, sha256 {upload.sha256}.")
                return HttpResponseRedirect(_page(upload))
        return self._show(request, "upload", title="Upload a series", form=form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what a file holds and what became of it."""
        upload = self._upload(request, object_id, verb="view")
        report = upload.report
        prices = [(name, f"{Decimal(report[name]) / MICROS} {report['unit']}") for name in ("lowest", "highest")]
        facts = [(name.replace("_count", "s"), report.get(name, 0)) for name in COUNTS]
        return self._show(
            request,
            "report",
            title=f"{upload.file_name}: {upload.get_state_display()}",
            upload=upload,
            facts=[*facts, ("first", report["first"]), ("last", report["last"]), *prices],
            may_finish=upload.state == SeriesUpload.State.CHECKED and self.has_change_permission(request, upload),
        )

    def load_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Load the good rows."""
        return self._finish(request, pk, act=load_upload, said="Loaded: {upload.new_count} values were new.")

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Leave the file alone for good."""
        return self._finish(request, pk, act=discard_upload, said="Discarded.")

    def report_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the findings as a table for download."""
        upload = self._upload(request, str(pk), verb="view")
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="report-{upload.public_id}.csv"'
        table = csv.writer(answer)
        table.writerow(["line", "kind", "reason", "text"])
        for finding in upload.report["findings"]:
            table.writerow([safe_cell(finding[name]) for name in ("line", "kind", "reason", "text")])
        return answer

    def _finish(
        self, request: HttpRequest, pk: int, *, act: Callable[..., SeriesUpload], said: str
    ) -> HttpResponseRedirect:
        upload, now = self._upload(request, str(pk), verb="change"), clock.now()
        try:
            upload = act(upload=upload, by=cast(User, request.user), now=now)
        except UnableToUpload as refusal:
            self.message_user(request, refusal.reason, messages.ERROR)
        else:
            done = said.format(upload=upload)
            self.log_change(request, upload, done)
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(_page(upload))

    def _upload(self, request: HttpRequest, pk: str, *, verb: str) -> SeriesUpload:
        upload = self.get_object(request, pk)
        if upload is None:
            raise Http404
        may = {"view": self.has_view_or_change_permission, "change": self.has_change_permission}
        if not may[verb](request, upload):
            raise PermissionDenied
        return cast(SeriesUpload, upload)

    def _show(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/grid/seriesupload/{template}.html", {**shared, **context})


def _page(upload: SeriesUpload) -> str:
    return reverse("admin:grid_seriesupload_change", args=[upload.pk])
