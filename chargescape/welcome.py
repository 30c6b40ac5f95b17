"""The five steps of a new owner, and which comes next. Done is read from the rows, so leaving and resuming is safe."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.flows.consents import CURRENT_TEXTS
from accounts.models import Consent, User
from grid.models import Enrollment, Program, Site
from rewards.models import PayoutAccount
from vehicles.models import Vehicle

Words = str | Promise
SKIPPED = "welcome_put_off"  # in the session: what is put off comes back with the next sign-in


@dataclass(frozen=True)
class Wording:
    """What one step says: what it is, why it is asked, and whether the owner may do it later."""

    key: str
    title: Words
    text: Words
    why: Words
    is_optional: bool = False


WORDING = (
    Wording(
        "you",
        _("You, and what we may do"),
        _("Your country, your time zone and two plain agreements."),
        _(
            "The country decides your currency and your rights, the time zone every time you read here. Nothing is "
            "read from a car before you agree, and you can take either agreement back at any time."
        ),
    ),
    Wording(
        "car",
        _("Your car"),
        _("Sign in at your car's maker and choose your cars."),
        _(
            "We read battery, plug, charging and whether the car is at home, and send charging commands through its "
            "maker. We never see your password there, and never your trips."
        ),
    ),
    Wording(
        "home",
        _("Your home"),
        _("Your utility, your tariff and your charger."),
        _(
            "The tariff says when power is cheap, the utility which programs may pay you, and the charger how fast "
            "your car fills up. The address stays encrypted."
        ),
    ),
    Wording(
        "wishes",
        _("Your wishes"),
        _("When you leave, how full the car shall be, and which program it joins."),
        _(
            "Your car is full enough when you leave: that comes before every event. Without a time we would have to "
            "guess. You can change all of it later, day by day."
        ),
        is_optional=True,
    ),
    Wording(
        "payouts",
        _("Your money and your notices"),
        _("Where earnings go, and what we tell you."),
        _(
            "Our payment partner has to know who is paid; bank details never touch our pages. What you earn before is "
            "kept for you, so this can wait."
        ),
        is_optional=True,
    ),
)


@dataclass(frozen=True)
class Step:
    """One step of the checklist, ready to show. `state` is done, next, skipped or later."""

    wording: Wording
    number: int
    href: str
    state: str

    @property
    def key(self) -> str:
        """What addresses call it."""
        return self.wording.key

    @property
    def title(self) -> Words:
        """Its name."""
        return self.wording.title

    @property
    def is_done(self) -> bool:
        """Whether the owner has it behind them."""
        return self.state == "done"


@dataclass(frozen=True)
class Checklist:
    """The five steps; `car_id` is a car that takes part, or None."""

    steps: list[Step]
    car_id: Any

    @property
    def done_count(self) -> int:
        """How many steps are done."""
        return sum(step.is_done for step in self.steps)

    @property
    def next_step(self) -> Step | None:
        """The first step that is neither done nor put off."""
        return next((step for step in self.steps if step.state == "next"), None)

    @property
    def put_off(self) -> list[Step]:
        """The steps that the owner left for later."""
        return [step for step in self.steps if step.state == "skipped"]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.done_count == len(self.steps)

    def step(self, key: str) -> Step:
        """Return the step that addresses call `key`."""
        return next(step for step in self.steps if step.key == key)


def checklist_of(user: User, *, skipped: Collection[str] = ()) -> Checklist:
    """Return where the owner stands: agreement, car, home, wishes and program, payouts; one query.

    `skipped` are the keys of optional steps that the owner has put off for now.
    """
    stands = _standing(user)
    steps: list[Step] = []
    has_next = False
    for number, (wording, is_done) in enumerate(zip(WORDING, _done(stands), strict=True), start=1):
        is_skipped = wording.is_optional and wording.key in skipped
        state = "done" if is_done else "skipped" if is_skipped else "later" if has_next else "next"
        has_next = has_next or state == "next"
        href = reverse("welcome_step", args=[wording.key])
        steps.append(Step(wording, number, href, state))
    return Checklist(steps, stands["car_id"])


def _standing(user: User) -> dict[str, Any]:
    consents = Consent.objects.filter(user=OuterRef("pk"), revoked_at__isnull=True)
    homes = Site.objects.filter(owner=OuterRef("pk"))
    cars = Vehicle.objects.filter(owner=OuterRef("pk"), state=Vehicle.State.ACTIVE)
    enrolled = Enrollment.objects.filter(vehicle__owner=OuterRef("pk"), vehicle__state="active", ended_at__isnull=True)
    programs = Program.objects.filter(
        utility__tariffs__sites__owner=OuterRef("pk"), status=Program.Status.OPEN, is_served=True
    )
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
    return [has_agreed, has_car, stands["has_home"], has_car and is_joined, stands["is_payable"]]
