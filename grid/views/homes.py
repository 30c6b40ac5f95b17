"""The home page: utility, tariff, charger, permission to give energy back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from accounts.flows.profiles import save_profile
from accounts.models import User
from foundation import clock
from foundation.pages import add_refusal, owner_page, signed_in
from grid.flows.sites import UnableToSaveSite, save_home
from grid.forms import HomeForm
from grid.models import Site


@owner_page
def site(request: HttpRequest) -> HttpResponse:
    """Show and change the owner's home; the first home also sets the zone in which pages show times."""
    owner = signed_in(request, User)
    home = Site.objects.filter(owner=owner).select_related("tariff__utility").first()
    form = HomeForm(request.POST or None, owner=owner, site=home)
    is_welcome = "welcome" in request.GET
    if request.method == "POST" and form.is_valid():
        try:
            saved = save_home(owner=owner, now=clock.now(), **form.home())
        except UnableToSaveSite as refusal:
            add_refusal(form, _as_asked(refusal))
        else:
            if home is None:
                save_profile(user=owner, time_zone=saved.time_zone)
            messages.success(request, gettext("Your home is saved."))
            return redirect("onboarding" if is_welcome else "site")
    return render(request, "grid/site.html", {"form": form, "site": home, "is_welcome": is_welcome})


def _as_asked(refusal: UnableToSaveSite) -> UnableToSaveSite:
    # The form asks in kW what the flow takes in W.
    asked = {"evse_max_charge_w": "evse_max_charge_kw", "export_limit_w": "export_limit_kw"}
    refusal.field = asked.get(refusal.field or "", refusal.field)
    return refusal
