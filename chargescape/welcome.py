"""The five steps of a new owner, and which comes next. Done is read from the rows, so leaving and resuming is safe."""

from dataclasses import dataclass

from accounts.flows.consents import CURRENT_TEXTS
from accounts.models import Consent, User
from grid.models import Enrollment, Program, Site
from rewards.models import PayoutAccount
from vehicles.models import Vehicle


@dataclass(frozen=True)
class Step:
    """One step of the checklist, ready to show. `state` is done, next or later."""

    title: str
    text: str
    href: str
    action: str
    state: str

    @property
    def is_done(self) -> bool:
        """Whether the owner has it behind them."""
        return self.state == "done"


@dataclass(frozen=True)
class Checklist:
    """The five steps; `position` counts from 1, and is 6 once everything is done."""

    steps: list[Step]

    @property
    def done_count(self) -> int:
        """How many steps are done."""
        return sum(step.is_done for step in self.steps)

    @property
    def next_step(self) -> Step | None:
        """The first step that is not done."""
        return next((step for step in self.steps if step.state == "next"), None)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.next_step is None


def checklist_of(user: User) -> Checklist:
    """Return where the owner stands: consent, home, car, mornings and program, payouts."""
    steps: list[Step] = []
    for (title, text, href, action), is_done in zip(_words(user), _done(user), strict=True):
        waits = any(not step.is_done for step in steps)
        state = "done" if is_done else "later" if waits else "next"
        steps.append(Step(title, text, href, action, state))
    return Checklist(steps)


def _done(user: User) -> list[bool]:
    agreed = set(Consent.objects.filter(user=user, revoked_at__isnull=True).values_list("purpose", flat=True))
    home = Site.objects.filter(owner=user).select_related("tariff").first()
    cars = Vehicle.objects.filter(owner=user, state=Vehicle.State.ACTIVE)
    is_enrolled = Enrollment.objects.filter(vehicle__in=cars, ended_at__isnull=True).exists()
    if not is_enrolled and home is not None:  # where the utility has nothing to offer, there is nothing to join
        is_enrolled = not Program.objects.filter(utility_id=home.tariff.utility_id, is_open=True).exists()
    has_car = cars.exists()
    payable = PayoutAccount.objects.filter(owner=user, state=PayoutAccount.State.ACTIVE).exists()
    return [agreed >= set(CURRENT_TEXTS), home is not None, has_car, has_car and is_enrolled, payable]


def _words(user: User) -> list[tuple[str, str, str, str]]:
    car = Vehicle.objects.filter(owner=user, state=Vehicle.State.ACTIVE).first()
    car_page = f"/cars/{car.public_id}/" if car else "/cars/"
    return [
        ("Agree to what we may do", "Two plain agreements. Both can be taken back.", "/consents/?welcome", "Read them"),
        ("Tell us about home", "Your utility, your tariff and your charger.", "/home/?welcome", "Add your home"),
        ("Link your car", "Sign in at your car's maker and choose your cars.", "/cars/link/", "Link a car"),
        ("Set your mornings", "When you leave, and which program your car joins.", car_page, "Open your car"),
        ("Get paid", "Tell our payment partner where your money goes.", "/payouts/", "Set up payouts"),
    ]
