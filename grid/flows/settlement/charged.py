"""What cars charged at home in a program's hours, from their readings; what no reading tells is not counted."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Q

from foundation.windows import Span, Window, spans_between
from grid.flows.settlement.pay_terms import hours_paid, terms_by_now
from grid.metering.cases import Car, Reading
from grid.metering.cases import Window as Stretch
from grid.metering.energy import net_energy
from grid.models import TAKES_PART, Enrollment, EventParticipation
from vehicles.models import ChargeReading, PlugSession

HOUR = timedelta(hours=1)
MOST_STAYS = 500


class Charged(NamedTuple):
    """Energy drawn at the home plug, AC side, Wh: in the program's hours, and altogether; and stretches not known.

    `elsewhere_seconds` at the plug are another program's, and count in neither.
    """

    window_wh: int
    charged_wh: int
    unknown: int
    elsewhere_seconds: int = 0


def charged_in(enrollment: Enrollment, span: Span, windows: Sequence[Window], *, zone: ZoneInfo) -> Charged:
    """Return what the enrolled car charged at home in the span while it was in the program.

    Hours in which it served an event of another program, and hours for which a program that it joined earlier pays, are
    that program's: nothing is paid for twice.
    """
    begins_at = max(span.starts_at, enrollment.enrolled_at)
    ends_at = min(span.ends_at, enrollment.ended_at or span.ends_at)
    vehicle, power_w = enrollment.vehicle, enrollment.site.evse_max_charge_w
    car = Car(vehicle.capacity_wh, Decimal(vehicle.charge_efficiency), min(vehicle.max_charge_w, power_w))
    inside, whole, unknown = Fraction(0), Fraction(0), 0
    stays = _stays(vehicle.pk, Span(begins_at, ends_at))
    own = without(stays, hours_elsewhere(enrollment, Span(begins_at, ends_at)) if stays else [])
    elsewhere = _length(stays) - _length(own)
    for stay in own:
        readings = _readings(vehicle.pk, stay)
        hours = spans_between(windows, stay, zone=zone)
        for is_inside, part in _parts(stay, hours):
            energy = net_energy(readings=readings, window=Stretch(part.starts_at, part.ends_at), car=car).imported_wh
            if energy is None:
                unknown += 1
                continue
            whole += energy
            inside += energy if is_inside else 0
    return Charged(round(inside), round(whole), unknown, elsewhere // timedelta(seconds=1))


def hours_elsewhere(enrollment: Enrollment, span: Span) -> list[Span]:
    """Return when in the span the car's charging belongs to other programs that it is in."""
    others = Enrollment.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=span.starts_at),
        TAKES_PART,
        vehicle=enrollment.vehicle_id,
        enrolled_at__lt=span.ends_at,
    ).exclude(program=enrollment.program_id)
    rows = list(others.select_related("program").order_by("enrolled_at", "pk"))
    if not rows:
        return []
    served = EventParticipation.objects.filter(
        enrollment__in=rows,
        state__in=(EventParticipation.State.IN, EventParticipation.State.CONTROL),
        event__cancelled_at__isnull=True,
        event__starts_at__lt=span.ends_at,
        event__ends_at__gt=span.starts_at,
    )
    found = [Span(*edges) for edges in served.values_list("event__starts_at", "event__ends_at")]
    pay = terms_by_now(span.ends_at)
    for one in rows:
        if (one.enrolled_at, one.pk) < (enrollment.enrolled_at, enrollment.pk):
            within = Span(max(span.starts_at, one.enrolled_at), min(span.ends_at, one.ended_at or span.ends_at))
            found += [part for terms in pay if terms.program == one.program.slug for part in hours_paid(terms, within)]
    return found


def without(spans: Sequence[Span], gaps: Sequence[Span]) -> list[Span]:
    """Return the spans less the gaps, in order."""
    left = list(spans)
    for gap in gaps:
        left = [
            piece
            for span in left
            for piece in (
                Span(span.starts_at, min(span.ends_at, gap.starts_at)),
                Span(max(span.starts_at, gap.ends_at), span.ends_at),
            )
            if piece.starts_at < piece.ends_at
        ]
    return left


def _length(spans: Sequence[Span]) -> timedelta:
    return sum((span.ends_at - span.starts_at for span in spans), timedelta(0))


def _stays(vehicle_id: int, span: Span) -> list[Span]:
    """Return the stays at home as parts of the span, in order; one that goes on ends with the span."""
    rows = PlugSession.objects.filter(
        Q(unplugged_at__isnull=True) | Q(unplugged_at__gt=span.starts_at),
        vehicle=vehicle_id,
        is_at_home=True,
        plugged_in_at__lt=span.ends_at,
    ).order_by("plugged_in_at")
    stays = [
        Span(max(begins_at, span.starts_at), min(ends_at or span.ends_at, span.ends_at))
        for begins_at, ends_at in rows.values_list("plugged_in_at", "unplugged_at")[:MOST_STAYS]
    ]
    return [stay for stay in stays if stay.starts_at < stay.ends_at]


def _parts(stay: Span, hours: Sequence[Span]) -> list[tuple[bool, Span]]:
    """Return the stay in parts, each wholly inside the hours or wholly outside."""
    parts, at = list[tuple[bool, Span]](), stay.starts_at
    for span in hours:
        if at < span.starts_at:
            parts.append((False, Span(at, span.starts_at)))
        parts.append((True, span))
        at = span.ends_at
    if at < stay.ends_at:
        parts.append((False, Span(at, stay.ends_at)))
    return parts


def _readings(vehicle_id: int, stay: Span) -> list[Reading]:
    rows = ChargeReading.objects.filter(
        vehicle=vehicle_id, observed_at__gte=stay.starts_at - HOUR, observed_at__lte=stay.ends_at + HOUR
    ).order_by("observed_at")
    return [Reading(*one) for one in rows.values_list("observed_at", "soc_percent", "imported_wh", "exported_wh")]
