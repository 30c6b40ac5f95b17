"""The welcome: five short steps, each of which says why it is asked; who leaves comes back to where they were."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from accounts.flows.consents import CURRENT_TEXTS, grant_consent, text_of
from accounts.flows.profiles import UnableToSaveProfile, save_profile
from accounts.models import Consent, User
from chargescape.forms_welcome import WORKING_DAYS, WishesForm, YouForm
from chargescape.welcome import SKIPPED, WORDING, Checklist, checklist_of
from foundation import clock
from foundation.formats import reader_in
from foundation.pages import add_refusal, owner_action, owner_page, owner_read, signed_in
from foundation.refusals import Refusal
from grid.flows.desk.membership import member_of
from grid.flows.programs.enrollment import enroll_vehicle, programs_open_to
from grid.flows.programs.objections import Offer, offers_to
from grid.flows.programs.terms_words import Line
from grid.flows.programs.versions import lines_of
from vehicles.flows.preferences import departures_of, save_preference
from vehicles.models import HomePlace, Vehicle, VehicleLink
from vehicles.views import broken_accounts, makers_on_offer
from vehicles.views_links import IN_WELCOME

Context = dict[str, Any]


def _where(request: HttpRequest) -> Checklist:
    return checklist_of(signed_in(request, User), skipped=request.session.get(SKIPPED, []))


@owner_read
def onboarding(request: HttpRequest) -> HttpResponse:
    """Show the five steps, how far the owner is, and the next one; a utility's people go to their desk."""
    if member_of(signed_in(request, User)) is not None:
        return redirect("desk")
    return render(request, "chargescape/onboarding.html", {"checklist": _where(request)})


@owner_page
def step(request: HttpRequest, key: str) -> HttpResponse:
    """Show one step and take what the owner says in it; then go on to the next."""
    shown = {"you": _you, "car": _car, "home": _home, "wishes": _wishes, "payouts": _payouts}
    if key not in shown:
        raise Http404
    page: Callable[[HttpRequest, User, datetime], Context | None] = shown[key]
    context = page(request, signed_in(request, User), clock.now())
    if context is None:
        return go_on(request)
    checklist = _where(request)
    context |= {"checklist": checklist, "step": checklist.step(key), "body": f"chargescape/_step_{key}.html"}
    return render(request, "chargescape/onboarding_step.html", context)


@owner_action
def put_off(request: HttpRequest, key: str) -> HttpResponse:
    """Leave an optional step for later; it stays on the list, and comes back with the next sign-in."""
    if key not in {wording.key for wording in WORDING if wording.is_optional}:
        raise Http404
    request.session[SKIPPED] = sorted({*request.session.get(SKIPPED, []), key})
    return go_on(request)


def go_on(request: HttpRequest) -> HttpResponse:
    """Go to the next step, or to the list once there is none."""
    following = _where(request).next_step
    return redirect(following.href if following else "onboarding")


def _you(request: HttpRequest, owner: User, now: datetime) -> Context | None:
    given = set(Consent.objects.filter(user=owner, revoked_at=None).values_list("purpose", flat=True))
    is_fixed = bool(given) or Consent.objects.filter(user=owner).exists()
    texts = {slug: text_of(slug) for slug in CURRENT_TEXTS}
    open_texts = [(slug, text.title) for slug, text in texts.items() if slug not in given]
    form = YouForm(request.POST or None, user=owner, is_country_fixed=is_fixed, purposes=open_texts)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                save_profile(user=owner, **form.profile())
                for slug in form.agreed():
                    grant_consent(user=owner, purpose=slug, now=now, language=texts[slug].language)
        except UnableToSaveProfile as refusal:
            add_refusal(form, refusal)
        else:
            if len(form.agreed()) == len(open_texts):
                return None
            messages.warning(request, gettext("Saved. Without both agreements we can neither read nor steer your car."))
            open_texts = [(slug, title) for slug, title in open_texts if slug not in form.agreed()]
            form = YouForm(user=owner, is_country_fixed=True, purposes=open_texts)
    agreements = [
        {"text": text, "field": form[f"agree_{slug}"] if f"agree_{slug}" in form.fields else None}
        for slug, text in texts.items()
    ]
    about = [form[name] for name in ("name", "country", "time_zone")]
    return {"form": form, "about": about, "agreements": agreements}


def _car(request: HttpRequest, owner: User, now: datetime) -> Context | None:
    del now
    links = list(VehicleLink.objects.filter(owner=owner, state=VehicleLink.State.ACTIVE).prefetch_related("vehicles"))
    cars = [car for link in links for car in link.vehicles.all() if car.state == Vehicle.State.ACTIVE]
    request.session[IN_WELCOME] = not cars
    waiting = [link for link in links if any(car.state == Vehicle.State.OFFERED for car in link.vehicles.all())]
    return {
        "cars": cars,
        "waiting": waiting,
        "broken_accounts": broken_accounts(owner),
        "makers": makers_on_offer({link.maker for link in links}),
    }


def _home(request: HttpRequest, owner: User, now: datetime) -> Context | None:
    del request, now
    car = Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE).first()
    return {"knows_home": HomePlace.objects.filter(owner=owner).exists(), "vehicle": car}


def _wishes(request: HttpRequest, owner: User, now: datetime) -> Context | None:
    rows = Vehicle.objects.filter(owner=owner, state=Vehicle.State.ACTIVE).select_related("preference", "owner", "link")
    cars = list(rows)
    if not cars:
        return {"cars": []}
    offers = offers_to(cars[0], now=now)
    lines = lines_of([one.terms for one in offers if one.terms], reader=reader_in(owner.country))
    form = WishesForm(request.POST or None, initial=_first_wishes(cars[0]))
    if request.method == "POST" and form.is_valid():
        try:
            _keep_wishes(request, form, cars, now)
        except Refusal as refusal:
            add_refusal(form, refusal)
        else:
            return None
    return {
        "cars": cars,
        "vehicle": cars[0],
        "form": form,
        "offers": [_offer(one, lines.get(one.terms.pk, []) if one.terms else []) for one in offers],
        "knows_home": HomePlace.objects.filter(owner=owner).exists(),
    }


def _offer(offer: Offer, lines: list[Line]) -> Context:
    return {
        "program": offer.program,
        "why_not": offer.why_not,
        "pays": [line for line in lines if line.is_pay],
        "beside": next((line.value for line in lines if line.key == "beside"), ""),
    }


def _first_wishes(car: Vehicle) -> Context:
    departures = departures_of(car)
    wishes = {name: getattr(car.preference, name) for name in ("target_soc_percent", "minimum_soc_percent")}
    return wishes | {
        "leaves_at": next(iter(departures.values()), None),
        "weekdays": [str(day) for day in departures] or WORKING_DAYS,
    }


def _keep_wishes(request: HttpRequest, form: WishesForm, cars: list[Vehicle], now: datetime) -> None:
    target, minimum = form.cleaned_data["target_soc_percent"], form.cleaned_data["minimum_soc_percent"]
    slug = request.POST.get("program", "")
    with transaction.atomic():
        for car in cars:
            save_preference(
                vehicle=car,
                target_soc_percent=target,
                minimum_soc_percent=minimum,
                reserve_soc_percent=max(minimum, min(car.preference.reserve_soc_percent, target)),
                is_v2g_allowed=car.preference.is_v2g_allowed,
                departures=form.departures(),
                now=now,
            )
            for program, why_not in programs_open_to(car, now=now) if slug else ():
                if program.slug == slug and not why_not:
                    enroll_vehicle(vehicle=car, program=program, now=now)
    if not slug:
        request.session[SKIPPED] = sorted({*request.session.get(SKIPPED, []), "wishes"})


def _payouts(request: HttpRequest, owner: User, now: datetime) -> Context | None:
    del request, now
    return {"owner": owner}
