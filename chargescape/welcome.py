"""The five steps of a new owner, and which comes next. Done is read from the rows, so leaving and resuming is safe."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.urls import reverse

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
    """Return where the owner stands: consent, home, car, mornings and program, payouts; one query."""
    stands = _standing(user)
    steps: list[Step] = []
    for (title, text, href, action), is_done in zip(_words(stands), _done(stands), strict=True):
        waits = any(not step.is_done for step in steps)
        state = "done" if is_done else "later" if waits else "next"
        steps.append(Step(title, text, href, action, state))
    return Checklist(steps)


def _standing(user: User) -> dict[str, Any]:
    consents = Consent.objects.filter(user=OuterRef("pk"), revoked_at__isnull=True)
    homes = Site.objects.filter(owner=OuterRef("pk"))
    cars = Vehicle.objects.filter(owner=OuterRef("pk"), state=Vehicle.State.ACTIVE)
    enrolled = Enrollment.objects.filter(vehicle__owner=OuterRef("pk"), vehicle__state="active", ended_at__isnull=True)
    programs = Program.objects.filter(utility__tariffs__sites__owner=OuterRef("pk"), is_open=True)
    accounts = PayoutAccount.objects.filter(owner=OuterRef("pk"), state=PayoutAccount.State.ACTIVE)
    agreed = {purpose: Exists(consents.filter(purpose=purpose)) for purpose in CURRENT_TEXTS}
    rows = User.objects.filter(pk=user.pk).annotate(
        has_home=Exists(homes),
        car_id=Subquery(cars.values("public_id")[:1]),
        is_enrolled=Exists(enrolled),
        may_enroll=Exists(programs),
        is_payable=Exists(accounts),
        **agreed,
    )
    names = ("has_home", "car_id", "is_enrolled", "may_enroll", "is_payable", *agreed)
    return dict(rows.values(*names).get())


def _done(stands: dict[str, Any]) -> list[bool]:
    has_car = stands["car_id"] is not None
    # Where the utility has nothing to offer, there is nothing to join.
    is_joined = stands["is_enrolled"] or (stands["has_home"] and not stands["may_enroll"])
    has_agreed = all(stands[purpose] for purpose in CURRENT_TEXTS)
    return [has_agreed, stands["has_home"], has_car, has_car and is_joined, stands["is_payable"]]


def _words(stands: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    car_page = reverse("car", args=[stands["car_id"]]) if stands["car_id"] else reverse("cars")
    return [
        (
            "Agree to what we may do",
            "Two plain agreements. Both can be taken back.",
            f"{reverse('consents')}?welcome",
            "Read them",
        ),
        (
            "Tell us about home",
            "Your utility, your tariff and your charger.",
            f"{reverse('site')}?welcome",
            "Add your home",
        ),
        ("Link your car", "Sign in at your car's maker and choose your cars.", reverse("link_begin"), "Link a car"),
        ("Set your mornings", "When you leave, and which program your car joins.", car_page, "Open your car"),
        ("Get paid", "Tell our payment partner where your money goes.", reverse("payouts"), "Set up payouts"),
    ]
