"""The telematics bill: what our asking costs a car's small battery, and what its maker charges us, by month.

Energy is an estimate, and shown as one. A wake (or a command, which wakes the car as well) keeps the car's computers up
for some minutes: owners who were woken every half hour all year lost 0.5 to 1 % of the big battery a day
(evclubct.com, "The telematics vampire"), which is 8 to 16 Wh a wake at 75 kWh; we take 12. A reading is answered by
the maker's cloud, and a push is sent by a car that is awake anyhow: both cost the car nothing.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import Q, Sum

from vehicles.models import CallCount, Vehicle

WAKE_WH = 12
MONTHS = 3
COUNTED = ("reads", "wakes", "commands", "releases", "pushes", "signals", "failures")


@dataclass(frozen=True)
class Price:
    """What a maker charges us, in millionths of `currency` for a thousand of each."""

    currency: str
    read: int = 0
    wake: int = 0
    command: int = 0
    signal: int = 0


# Tesla's pay-per-use prices of 2025: $1 for 500 reads, 50 wakes, 1,000 commands or 150,000 streamed signals. Answers
# below HTTP 500 are billed, so failures are counted too: the bill is never less than the maker's.
PRICES = {
    "tesla": Price("USD", read=2_000_000, wake=20_000_000, command=1_000_000, signal=6_667),
}


@dataclass(frozen=True)
class Bill:
    """One car's month. `cost_micros` is None where the maker charges nothing for calls."""

    month_starts_at: datetime
    reads: int
    wakes: int
    commands: int
    pushes: int
    signals: int
    failures: int
    drain_wh: int
    drain_percent: float
    cost_micros: int | None
    currency: str

    @property
    def month_date(self) -> date:
        """The month's first day: a date, so that no time zone makes it the month before."""
        return self.month_starts_at.date()

    @property
    def cost_cents(self) -> int | None:
        """The cost in whole cents, rounded up; None where there is none."""
        return None if self.cost_micros is None else -(-self.cost_micros // 10_000)


def bills_of(vehicle: Vehicle, *, now: datetime, months: int = MONTHS) -> list[Bill]:
    """Return the car's bills of this month and those before it, newest first; a month without a call has zeros."""
    starts = _months_back(now, months)
    within = {start: Q(starts_at__gte=start, starts_at__lt=_next_month(start)) for start in starts}
    rows = CallCount.objects.filter(scope=CallCount.Scope.CAR, subject=str(vehicle.pk), starts_at__gte=starts[-1])
    sums = rows.aggregate(
        **{
            f"{name}_{number}": Sum(name, filter=within[start])
            for number, start in enumerate(starts)
            for name in COUNTED
        }
    )
    return [
        _bill(vehicle, start, {name: sums[f"{name}_{number}"] or 0 for name in COUNTED})
        for number, start in enumerate(starts)
    ]


def _bill(vehicle: Vehicle, starts_at: datetime, sums: dict[str, int]) -> Bill:
    commands = sums["commands"] + sums["releases"]
    drain_wh = WAKE_WH * (sums["wakes"] + commands)
    price = PRICES.get(vehicle.link.maker)
    return Bill(
        month_starts_at=starts_at,
        reads=sums["reads"],
        wakes=sums["wakes"],
        commands=commands,
        pushes=sums["pushes"],
        signals=sums["signals"],
        failures=sums["failures"],
        drain_wh=drain_wh,
        drain_percent=round(100 * drain_wh / vehicle.capacity_wh, 2),
        cost_micros=_cost(price, sums, commands) if price else None,
        currency=price.currency if price else "",
    )


def _cost(price: Price, sums: dict[str, int], commands: int) -> int:
    thousandths = (
        price.read * sums["reads"] + price.wake * sums["wakes"] + price.command * commands
    ) + price.signal * sums["signals"]
    return -(-thousandths // 1000)


def _months_back(now: datetime, months: int) -> list[datetime]:
    at = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    for _ in range(months):
        found.append(at)
        is_january = at.month == 1
        at = at.replace(year=at.year - is_january, month=12 if is_january else at.month - 1)
    return found


def _next_month(start: datetime) -> datetime:
    is_december = start.month == 12
    return start.replace(year=start.year + is_december, month=1 if is_december else start.month + 1)
