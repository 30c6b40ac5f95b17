"""Who waits for a utility's word: the list, the file that goes out, and the file that comes back."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.admin import ReadOnlyAdmin
from accounts.models import User
from foundation import clock
from grid.admin.bases import AnyModelChoice
from grid.flows.programs.confirming import ConfirmationReport, UnableToTakeFile, enrollment_file, take_confirmations
from grid.models import EnrollmentConfirmation, Utility

MOST_BYTES = 20_000_000


class AnswerForm(forms.Form):
    """A utility and, where it has answered, its file."""

    utility = AnyModelChoice(queryset=Utility.objects.all())
    file = forms.FileField(required=False, help_text="CSV; needed to take answers, not to hand the file out.")

    def clean_file(self) -> str | None:
        """Return the file's text."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if file.size > MOST_BYTES:
            raise forms.ValidationError("The file is larger than 20 MB: use `manage.py enrollment_file`.")
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is not in UTF-8.") from error


@admin.register(EnrollmentConfirmation)
class EnrollmentConfirmationAdmin(ReadOnlyAdmin):
    """Names and accounts stay with their owners and the utility: they are not shown here."""

    list_display = ["enrollment", "state", "asked_at", "handed_out_at", "decided_at", "rate", "reason"]
    list_filter = ["state", "enrollment__program"]
    search_fields = ["enrollment__public_id"]
    list_select_related = ["enrollment__vehicle", "enrollment__program"]
    exclude = ["account_name", "service_account"]

    def get_urls(self) -> list[URLPattern]:
        """Add the page of the files."""
        view = self.admin_site.admin_view(self.file_view)
        return [path("file/", view, name="grid_enrollmentconfirmation_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """Hand the enrolment file out, or take a utility's answers and report on every row."""
        if not request.user.has_perm("grid.change_enrollmentconfirmation"):
            raise PermissionDenied
        form, report = AnswerForm(request.POST or None, request.FILES or None), None
        if request.method == "POST" and form.is_valid():
            if "hand_out" in request.POST:
                return self._handed_out(form.cleaned_data["utility"])
            report = self._taken(form, cast(User, request.user))
        context: dict[str, Any] = {**self.admin_site.each_context(request), "opts": self.opts}
        context |= {"title": "Enrolment files", "form": form, "report": report}
        return TemplateResponse(request, "admin/grid/enrollmentconfirmation/file.html", context)

    def _handed_out(self, utility: Utility) -> HttpResponse:
        answer = HttpResponse(enrollment_file(utility=utility, now=clock.now()), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="enrolments-{utility.slug}.csv"'
        return answer

    def _taken(self, form: AnswerForm, taken_by: User) -> ConfirmationReport | None:
        told = form.cleaned_data
        if told["file"] is None:
            form.add_error("file", "Choose the utility's file.")
            return None
        try:
            return take_confirmations(utility=told["utility"], text=told["file"], taken_by=taken_by, now=clock.now())
        except UnableToTakeFile as refusal:
            form.add_error("file", refusal.reason)
            return None
