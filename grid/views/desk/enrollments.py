"""Enrolment files at the desk: who waits for the utility's word goes out, its answers come in; for its reviewers."""

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import clock
from foundation.pages import add_refusal
from grid.flows.programs.confirming import UnableToTakeFile, enrollment_file, take_confirmations, waiting_count
from grid.views.desk.doors import Desk, desk_action, desk_form, show

MOST_BYTES = 5_000_000
SHOWN_BAD = 50


class AnswersForm(forms.Form):
    """The enrolment file with the utility's answers."""

    answers = forms.FileField(
        label=_("The file with your answers"),
        help_text=_("CSV, as it was downloaded, with the last columns filled in."),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_answers(self) -> str:
        """Return the file's text; refuses what is too large or no text."""
        file = self.cleaned_data["answers"]
        if (file.size or 0) > MOST_BYTES:
            raise ValidationError(gettext("The file is too large: send it in parts."))
        try:
            return str(file.read(), "utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValidationError(gettext("The file is not UTF-8 text: save it as CSV (UTF-8).")) from error


@desk_form
def enrollments(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Show how many enrolments wait, and take the file with the answers."""
    _check(desk)
    form = AnswersForm(request.POST or None, request.FILES or None)
    report = None
    if request.method == "POST" and form.is_valid():
        try:
            report = take_confirmations(
                utility=desk.utility, text=form.cleaned_data["answers"], taken_by=desk.person, now=clock.now()
            )
        except UnableToTakeFile as refusal:
            add_refusal(form, refusal)
    context = {
        "form": form,
        "report": report,
        "bad_rows": report.bad_rows[:SHOWN_BAD] if report else [],
        "waiting": waiting_count(desk.utility),
    }
    return show(request, desk, "enrollments", context, status=422 if form.is_bound and form.errors else 200)


@desk_action
def enrollment_csv(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Hand out the enrolments that wait for the utility's word."""
    del request
    _check(desk)
    text = enrollment_file(utility=desk.utility, now=clock.now())
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="enrolments-{desk.utility.slug}.csv"'
    return answer


def _check(desk: Desk) -> None:
    """Let reviewers in alone: the file names owners who agreed to be named to their utility."""
    if not desk.can_review:
        raise Http404("not for this role")
