"""Rehearsals at the desk: a draft typed as JSON, played on recorded days; for leads and for staff."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from foundation import clock
from foundation.pages import add_refusal
from grid.flows.programs.rehearsing import UnableToRehearse, rehearsals_of, rehearse
from grid.models import Rehearsal
from grid.views.desk.doors import Desk, desk_form, desk_read, show

EXAMPLE = {
    "name": "Summer evenings",
    "kind": "hold",
    "from": "18:00",
    "to": "20:00",
    "weekdays": [0, 1, 2, 3, 4],
    "reward_micros_per_kwh": 500000,
    "tariff_micros_per_kwh": 150000,
    "night_micros_per_kwh": 80000,
    "group_method": "sum-of-cars",
    "share_rule": "by_commitment",
    "opt_out_percent": 10,
}


class DraftForm(forms.Form):
    """A draft of a program's terms as JSON."""

    draft = forms.CharField(
        label=_("Draft"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
        help_text=_("Times are the utility's; rates millionths of the currency per kWh; weekdays from 0 (Monday)."),
    )

    def clean_draft(self) -> Any:
        """Return the draft read as JSON; refuses what is none."""
        try:
            return json.loads(self.cleaned_data["draft"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(gettext("This cannot be read as JSON: %(why)s") % {"why": error}) from error


@desk_form
def rehearsals(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Show the rehearsals, and play the draft that is sent."""
    _check(desk)
    form = DraftForm(request.POST or None, initial={"draft": json.dumps(EXAMPLE, indent=1)})
    if request.method == "POST" and form.is_valid():
        try:
            kept = rehearse(raw=form.cleaned_data["draft"], utility=desk.utility, made_by=desk.person, now=clock.now())
        except UnableToRehearse as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("desk_rehearsal", desk.utility.slug, kept.public_id)
    status = 422 if form.is_bound and form.errors else 200
    return show(request, desk, "rehearsals", {"form": form, "kept": rehearsals_of(desk.utility)}, status=status)


@desk_read
def rehearsal(request: HttpRequest, desk: Desk, rehearsal: UUID) -> HttpResponse:
    """Show what a draft came to."""
    found = _found(desk, rehearsal)
    context: dict[str, Any] = {
        "kept": found,
        "summary": found.result["summary"],
        "events": found.result["events"],
        "source": found.inputs["source"],
        "days": len(found.inputs["days"]),
        "draft_text": json.dumps(found.draft, indent=1, ensure_ascii=False),
    }
    return show(request, desk, "rehearsal", context)


@desk_read
def rehearsal_file(request: HttpRequest, desk: Desk, rehearsal: UUID) -> HttpResponse:
    """Hand out the draft, the assumptions and the result as JSON; recorded stays stay with us."""
    del request
    found = _found(desk, rehearsal)
    body = {
        "schema": 1,
        "name": found.name,
        "draft": found.draft,
        "source": found.inputs["source"],
        "days": found.inputs["days"],
        "method_version": found.method_version,
        **found.result,
    }
    answer = JsonResponse(body, json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="rehearsal-{found.public_id}.json"'
    return answer


def _check(desk: Desk) -> None:
    if not desk.can_rehearse:
        raise Http404("not for this role")


def _found(desk: Desk, public_id: UUID) -> Rehearsal:
    _check(desk)
    return get_object_or_404(Rehearsal, public_id=public_id, utility=desk.utility)
