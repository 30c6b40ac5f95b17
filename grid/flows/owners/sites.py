"""The owner's home: where it is, who supplies it, what its charger can do and may give back."""

import re
from datetime import date, datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.flows.profiles import is_zone
from accounts.models import User
from foundation.refusals import Refusal
from grid.models import Enrollment, Site, Tariff

LOWEST_EVSE_W, HIGHEST_EVSE_W = 1_000, 25_000
MOST_MONTH_KWH = 20_000
# Only the first characters are kept readable: enough to know the area, too few to know the house.
_AREA = {"US": re.compile(r"\d{3}(\d{2})?"), "CA": re.compile(r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z]")}
_AREA_EXAMPLES = {
    "US": _("Enter a ZIP code like 78704."),
    "CA": _("Enter the first three characters of a postal code, like M5V."),
}


class UnableToSaveSite(Refusal):
    """The home stays as it was."""


def save_home(
    *,
    owner: User,
    address: str,
    postal_code_prefix: str,
    time_zone: str,
    tariff: Tariff,
    evse_max_charge_w: int,
    is_evse_bidirectional: bool,
    has_export_permission: bool,
    export_limit_w: int,
    export_permission_ends_on_date: date | None,
    month_kwh: int | None = None,
    now: datetime,
) -> Site:
    """Keep the owner's one home and return it; `version` grows with every change, so that plans become stale.

    Powers are W at the AC side; `month_kwh` is what the home uses besides its cars, None = not known. Raises
    UnableToSaveSite where something cannot be true, naming the field.
    """
    if not is_zone(time_zone):
        raise UnableToSaveSite(
            gettext("This time zone is not known. Choose one like America/Chicago."),
            code="unknown_time_zone",
            field="time_zone",
        )
    _check_charger(evse_max_charge_w)
    _check_use(month_kwh)
    _check_export(
        is_evse_bidirectional=is_evse_bidirectional,
        has_export_permission=has_export_permission,
        export_limit_w=export_limit_w,
        ends_on_date=export_permission_ends_on_date,
        today=now.astimezone(tariff.utility.zone).date(),
    )
    wanted = {
        "address": " ".join(address.split()),
        "postal_code_prefix": _read_area(postal_code_prefix, country=tariff.utility.country),
        "time_zone": time_zone,
        "tariff": tariff,
        "evse_max_charge_w": evse_max_charge_w,
        "is_evse_bidirectional": is_evse_bidirectional,
        "has_export_permission": has_export_permission,
        "export_limit_w": export_limit_w if has_export_permission else 0,
        "export_permission_ends_on_date": export_permission_ends_on_date if has_export_permission else None,
        "month_kwh": month_kwh,
    }
    with transaction.atomic():
        _check_supplier(owner, tariff)
        site, is_new = Site.objects.get_or_create(owner=owner, defaults={**wanted, "created_at": now})
        if not is_new and any(getattr(site, name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                setattr(site, name, value)
            site.save(update_fields=list(wanted))
            Site.objects.filter(pk=site.pk).update(version=F("version") + 1)
            site.refresh_from_db(fields=["version"])
    return site


def _check_charger(evse_max_charge_w: int) -> None:
    if not LOWEST_EVSE_W <= evse_max_charge_w <= HIGHEST_EVSE_W:
        raise UnableToSaveSite(
            gettext("A home charger gives between 1 and 25 kW. A 240 V charger on a 40 A breaker gives 7.7 kW."),
            code="evse_power_implausible",
            field="evse_max_charge_w",
        )


def _check_use(month_kwh: int | None) -> None:
    if month_kwh is not None and not 0 <= month_kwh <= MOST_MONTH_KWH:
        raise UnableToSaveSite(
            gettext("A home uses between 0 and 20,000 kWh in a month. It is on your bill; leave it empty otherwise."),
            code="month_use_implausible",
            field="month_kwh",
        )


def _check_export(
    *,
    is_evse_bidirectional: bool,
    has_export_permission: bool,
    export_limit_w: int,
    ends_on_date: date | None,
    today: date,
) -> None:
    if not has_export_permission:
        return
    if not is_evse_bidirectional:
        raise UnableToSaveSite(
            gettext("An agreement to give energy back needs a charger that can (a bidirectional one)."),
            code="export_needs_bidirectional_evse",
            field="has_export_permission",
        )
    if not 0 < export_limit_w <= HIGHEST_EVSE_W:
        raise UnableToSaveSite(
            gettext("Tell us the power that your agreement allows you to give back, up to 25 kW."),
            code="export_limit_implausible",
            field="export_limit_w",
        )
    if ends_on_date is not None and ends_on_date < today:
        raise UnableToSaveSite(
            gettext("This agreement has already ended. Enter the current one, or none."),
            code="export_permission_over",
            field="export_permission_ends_on_date",
        )


def _read_area(text: str, *, country: str) -> str:
    area = text.replace(" ", "").upper()
    if country == "CA":
        area = area[:3]
    if country in _AREA and not _AREA[country].fullmatch(area):
        raise UnableToSaveSite(str(_AREA_EXAMPLES[country]), code="postal_code_unreadable", field="postal_code_prefix")
    return area


def _check_supplier(owner: User, tariff: Tariff) -> None:
    if tariff.utility.country != owner.country:
        raise UnableToSaveSite(
            gettext("{utility} supplies homes in another country than yours.").format(utility=tariff.utility.name),
            code="utility_in_another_country",
            field="tariff",
        )
    elsewhere = Enrollment.objects.filter(vehicle__owner=owner, ended_at__isnull=True)
    if elsewhere.exclude(program__utility=tariff.utility).exists():
        raise UnableToSaveSite(
            gettext("A car of yours takes part in a program of your present utility. Leave the program first."),
            code="enrolled_at_another_utility",
            field="tariff",
        )
