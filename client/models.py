"""What the API speaks of. Written by client/generate.py from the schema: change that, not this."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

ActActionEnum = Literal[
    "opt_out",
    "charge_now",
    "stop_email",
]

AttemptStateEnum = Literal[
    "waiting",
    "linked",
    "refused",
]

ChangeKindEnum = Literal[
    "me",
    "vehicle",
    "preference",
    "override",
    "link",
    "charger",
    "site",
    "enrollment",
    "plan",
    "participation",
    "settlement",
    "earning",
    "payout",
    "payout_account",
    "consent",
    "notice",
]

ChannelEnum = Literal[
    "in_app",
    "email",
    "push",
]

ChargerStateEnum = Literal[
    "offered",
    "active",
    "unlinked",
]

ChoiceEnum = Literal[
    "money",
    "mostly_money",
    "balanced",
    "mostly_carbon",
    "carbon",
]

ConfirmationStateEnum = Literal[
    "waiting",
    "confirmed",
    "refused",
]

CountryEnum = Literal[
    "US",
    "CA",
]

CurrencyEnum = Literal[
    "USD",
    "CAD",
]

DatedDepartureKindEnum = Literal[
    "leaves",
    "stays",
    "away",
]

DeskEventStateEnum = Literal[
    "upcoming",
    "running",
    "past",
    "cancelled",
]

DisputeStateEnum = Literal[
    "open",
    "upheld",
    "rejected",
]

EventKindEnum = Literal[
    "hold",
    "absorb",
    "discharge",
]

EventStateEnum = Literal[
    "draft",
    "scheduled",
    "announced",
    "settled",
    "cancelled",
]

ExportStateEnum = Literal[
    "due",
    "ready",
    "failed",
]

GradeEnum = Literal[
    "measured",
    "derived",
    "estimated",
    "missing",
]

InvoiceLineKindEnum = Literal[
    "event",
    "earning",
    "correction",
]

InvoiceStateEnum = Literal[
    "draft",
    "sent",
    "paid",
    "void",
]

LanguageEnum = Literal[
    "en",
    "fr-ca",
    "es",
]

LinkStateEnum = Literal[
    "active",
    "needs_relink",
    "leaving",
    "revoked",
]

MakerKindEnum = Literal[
    "redirect",
    "device_code",
    "hosted_page",
]

ModeEnum = Literal[
    "hold",
    "discharge",
]

NoticeActionActionEnum = Literal[
    "opt_out",
    "charge_now",
    "relink",
    "stop_email",
    "stop_digest",
]

NullEnum = Literal[
    None,
]

OnboardingStepStateEnum = Literal[
    "done",
    "next",
    "skipped",
    "later",
]

OverrideKindEnum = Literal[
    "charge_now",
    "skip",
]

ParticipationStateEnum = Literal[
    "in",
    "opted_out",
    "unable",
    "control",
]

PayoutAccountStateEnum = Literal[
    "new",
    "pending",
    "active",
    "restricted",
]

PayoutStateEnum = Literal[
    "requested",
    "sending",
    "unknown",
    "sent",
    "paid",
    "bank_failed",
    "cancelled",
    "frozen",
]

ProblemCode = str

PurposeEnum = Literal[
    "data_use",
    "grid_participation",
]

ReviewEnum = Literal[
    "open",
    "disputed",
    "approved",
    "lapsed",
    "replaced",
]

RhythmEnum = Literal[
    "every",
    "weekly",
    "four_weekly",
]

RoleEnum = Literal[
    "reader",
    "reviewer",
    "lead",
]

SettlesEnum = Literal[
    "car",
    "group",
]

ShareRuleEnum = Literal[
    "equal",
    "by_commitment",
]

StatementLineKindEnum = Literal[
    "earned",
    "corrected",
    "payout",
]

StatementLineStateEnum = Literal[
    "available",
    "pending",
    "paid",
    "cancelled",
]

StatusEnum = Literal[
    "open",
    "pilot",
    "closed",
]

SwitchKindEnum = Literal[
    "departure_at_risk",
    "release_failing",
    "not_plugged_in",
    "link_needs_relink",
    "event_announced",
    "event_left_alone",
    "event_soon",
    "event_gave_way",
    "event_changed",
    "event_cancelled",
    "event_shortened",
    "program_changed",
    "enrolled",
    "enrollment_waiting",
    "enrollment_refused",
    "withdrawn",
    "car_left",
    "car_found",
    "export_ready",
    "settlement_posted",
    "payout_sent",
    "payout_cancelled",
    "payout_failed",
    "utility_result",
    "utility_dispute",
    "utility_invoice",
]

TariffKindEnum = Literal[
    "flat",
    "time_of_use",
    "market",
]

VehicleStateEnum = Literal[
    "offered",
    "active",
    "unlinked",
]


class Ability(TypedDict):
    """One thing the car can or cannot do, in words; linking again mends it where `needs_relink`."""

    key: str
    text: str
    is_possible: bool
    needs_relink: bool


class ActRequest(TypedDict):
    """What shall be done. Linking again goes by the cars' own calls."""

    action: ActActionEnum


class Allowance(TypedDict):
    """How many events may be left out this month before the program's monthly pay is lost."""

    program: str
    month_date: str
    most: int
    used: int
    left: int
    pay_minor: int
    currency: str
    is_spent: bool
    is_lost: bool


class AssignRequest(TypedDict):
    """The car that a wall box shall serve; null for none."""

    vehicle: str | None


class Attempt(TypedDict):
    """A link under way, for the session that began it.

    `device_code`: show `user_code` and `verification_url`, and read this again every `interval_seconds`.
    Otherwise
    open `url` in the system browser, once, until `expires_at`.
    """

    id: str
    maker: str
    kind: str
    state: AttemptStateEnum
    detail: str
    link: str | None
    url: str
    user_code: str
    verification_url: str
    interval_seconds: int
    expires_at: str


class Balance(TypedDict):
    """The owner's money in one currency."""

    currency: str
    available_minor: int
    pending_minor: int
    paid_minor: int
    earned_minor: int
    next_payout_at: str | None
    expected_minor: int


class Bill(TypedDict):
    """One month of calls. The drain is an estimate; `cost_micros` is null where the maker charges nothing."""

    month_starts_at: str
    reads: int
    pushes: int
    signals: int
    commands: int
    wakes: int
    failures: int
    drain_wh: int
    drain_percent: float
    cost_micros: int | None
    currency: str


class Capabilities(TypedDict):
    """What the car can do under the grant its owner gave."""

    can_hold: bool
    can_discharge: bool
    hold_ends: str
    is_metered: bool


class Carbon(TypedDict):
    """What steering kept out of the air beside charging at once, and how plans weigh carbon; no money that is
    paid.
    """

    saved_g: int
    drawn_g: int
    drawn_wh: int
    unknown: int
    rates_source: str
    is_marginal: bool
    months: list[CarbonMonth]
    nights: list[CarbonNight]
    choice: ChoiceEnum | NullEnum
    stops: list[CarbonStop]


class CarbonMonth(TypedDict):
    """One local month."""

    starts_on_date: str
    nights: int
    drawn_wh: int
    drawn_g: int
    saved_g: int


class CarbonNight(TypedDict):
    """One stay at the home plug."""

    car: str
    plugged_in_at: str
    unplugged_at: str
    drawn_wh: int
    drawn_g: int
    saved_g: int


class CarbonStop(TypedDict):
    """One choice, and what it would make of the plans of now (`/carbon/tonight/` alone; null without plans)."""

    choice: ChoiceEnum
    price_micros_per_kg: int
    tonight_cost_minor: int | None
    tonight_g: int | None


class CarriedBy(TypedDict):
    """The newest command of a dispatch: asked, sent, accepted and confirmed are separate facts."""

    kind: str
    state: str
    ends_at: str | None
    sent_at: str | None
    accepted_at: str | None
    confirmed_at: str | None
    released_at: str | None


class Change(TypedDict):
    """One object that is new, has changed, or is gone; where it is still there, `url` shows it."""

    kind: ChangeKindEnum
    id: str
    is_deleted: bool
    url: str


class Changes(TypedDict):
    """What changed since the cursor; ask again with the new one, at once where there is more."""

    changes: list[Change]
    cursor: str
    has_more: bool


class ChargeNow(TypedDict):
    """What charging at once costs beside the plan; money is in minor units, and an estimate."""

    extra_minor: int
    missed_minor: int
    currency: str
    is_dearer: bool
    ready_at: str


class Charger(TypedDict):
    """A wall box; `vehicle` is the car it serves. `is_used`: that car stands at it."""

    id: str
    link: str
    name: str
    state: ChargerStateEnum
    vehicle: str | None
    max_discharge_w: int
    is_car_connected: bool | None
    is_used: bool
    observed_at: str | None


class ChooseRequest(TypedDict):
    """Which cars of the account take part."""

    vehicles: list[str]


class CloseRequest(TypedDict):
    """The owner's own e-mail address, so that nobody closes an account by mistake."""

    email: str


class Closing(TypedDict):
    """A wish to be forgotten that waits."""

    requested_at: str
    waiting_for: str
    detail: str
    money_kept_years: int


class ComingTerms(TypedDict):
    """The program's next version, and what changes with it."""

    terms: Terms
    changes: list[TermsChange]


class Confirmation(TypedDict):
    """What the utility says about an enrolment whose terms want its word."""

    state: ConfirmationStateEnum
    asked_at: str
    shared_at: str | None
    confirmed_at: str | None
    reason: str


class Consent(TypedDict):
    """One receipt."""

    id: str
    purpose: PurposeEnum
    version: str
    language: str
    text_sha256: str
    granted_at: str
    revoked_at: str | None


class ConsentText(TypedDict):
    """What is read before agreeing, and whether the user agrees now."""

    purpose: PurposeEnum
    version: str
    language: str
    title: str
    body: str
    text_sha256: str
    is_granted: bool


class DatedDeparture(TypedDict):
    """What holds on some dates in place of the weekday's departure; dates and time are local to the car's home.

    leaves: at `leaves_at_local` on each day. stays: not at all. away: leaves at `leaves_at_local` on the first
    day,
    or has left already where that is null, and is back once the last day is over.
    """

    id: str
    vehicle: str
    kind: DatedDepartureKindEnum
    first_date: str
    last_date: NotRequired[str]
    leaves_at_local: NotRequired[str | None]
    created_at: str


class DatedDepartureRequest(TypedDict):
    """What holds on some dates in place of the weekday's departure; dates and time are local to the car's home.

    leaves: at `leaves_at_local` on each day. stays: not at all. away: leaves at `leaves_at_local` on the first
    day,
    or has left already where that is null, and is back once the last day is over.
    """

    vehicle: str
    kind: DatedDepartureKindEnum
    first_date: str
    last_date: NotRequired[str]
    leaves_at_local: NotRequired[str | None]


class Departure(TypedDict):
    """One weekday's departure, local time of the home; 0 = Monday."""

    weekday: int
    leaves_at: str


class DepartureRequest(TypedDict):
    """One weekday's departure, local time of the home; 0 = Monday."""

    weekday: int
    leaves_at: str


class DeskCar(TypedDict):
    """One car's part, by a number that stands for it in this event alone."""

    number: str
    state: str
    grade: str
    committed_wh: int
    baseline_wh: int | None
    net_wh: int | None
    delivered_wh: int | None
    is_straggler: bool


class DeskEvent(TypedDict):
    """One event with its newest result. Energies Wh, powers W, AC side; null is not known or not told."""

    event: str
    program: str
    terms_version: int
    kind: EventKindEnum
    starts_at: str
    ends_at: str
    state: DeskEventStateEnum
    target_w: int
    cars_in: int | None
    opted_out: int | None
    unable: int | None
    control_cars: int | None
    is_small_group: bool
    method: str
    method_version: int
    revision: int | None
    baseline_wh: int | None
    net_wh: int | None
    delivered_wh: int | None
    error_wh: float | None
    delivered_percent: float | None
    amount_minor: int | None
    currency: str
    review: str | None
    objection_ends_at: str | None


class DeskEvidence(TypedDict):
    """What an event's result rests on."""

    summary: DeskEvent
    intervals: list[DeskInterval]
    cars: list[DeskCar]


class DeskInterval(TypedDict):
    """A quarter of an hour of the whole group."""

    starts_at: str
    ends_at: str
    baseline_w: int | None
    net_w: int | None
    delivered_w: int | None
    grade: str


class DeskOverview(TypedDict):
    """A utility's fleet now and over the next day; of too few cars nothing but `is_small_group` is told."""

    utility: str
    role: RoleEnum
    is_small_group: bool
    cars: int | None
    enrolled_kw: float | None
    planned: int | None
    oldest_plan_at: str | None
    slots: list[PowerSlot]


class DeskProgram(TypedDict):
    """One of the utility's programs."""

    id: str
    slug: str
    name: str
    summary: str
    is_open: bool


class Dispatch(TypedDict):
    """One stretch in which the car holds or discharges."""

    id: str
    vehicle: str
    participation: str | None
    mode: ModeEnum
    power_w: int
    starts_at: str
    ends_at: str
    stopped_at: str | None
    stop_reason: str
    command: CarriedBy | None


class Dispute(TypedDict):
    """An objection and what became of it."""

    id: str
    event: str
    reason: str
    evidence: str
    raised_at: str
    state: DisputeStateEnum
    resolved_at: str | None


class Division(TypedDict):
    """How much is divided, which place the car's remainder has, and to how many places one each goes."""

    whole: int
    place: int
    left: int


class Earning(TypedDict):
    """What a program paid by another form than its rate per kWh."""

    id: str
    program: str
    terms_version: int
    form: str
    title: str
    period_date: str
    amount_minor: int
    currency: str
    reason: str
    created_at: str


class EarningDetail(TypedDict):
    """The same with its whole sum, and the calculation it can be computed again from."""

    id: str
    program: str
    terms_version: int
    form: str
    title: str
    period_date: str
    amount_minor: int
    currency: str
    reason: str
    created_at: str
    steps: list[EarningStep]
    calculation: Any


class EarningStep(TypedDict):
    """One step of the sum."""

    title: str
    text: str
    value: str
    unit: str


class EnrollRequest(TypedDict):
    """Which car joins which program."""

    vehicle: str
    program: str
    shared: NotRequired[SharedRequest]


class Enrollment(TypedDict):
    """One car in one program."""

    id: str
    vehicle: str
    program: str
    program_name: str
    enrolled_at: str
    ended_at: str | None
    confirmation: Confirmation | None


class Event(TypedDict):
    """What is asked, and what it pays."""

    id: str
    program: str
    program_name: str
    kind: EventKindEnum
    starts_at: str
    ends_at: str
    state: EventStateEnum
    reward_micros_per_kwh: int
    reward_per_kwh: str
    currency: str
    time_zone: str
    cancel_reason: str


class Export(TypedDict):
    """A copy of everything held about the owner: JSON and CSV in one zip file, kept for a day."""

    id: str
    state: ExportStateEnum
    requested_at: str
    ready_at: str | None
    expires_at: str
    size_bytes: int
    row_count: int
    download_url: str


class GroupSettlement(TypedDict):
    """What all cars of an event delivered together, of which each settlement is a share. Energies are Wh, signed."""

    id: str
    revision: int
    method: str
    method_version: int
    share_rule: ShareRuleEnum
    baseline_wh: int | None
    net_wh: int | None
    delivered_wh: int | None
    error_wh: float | None
    measured_cars: int
    estimated_cars: int
    control_cars: int
    rate_micros_per_kwh: int
    amount_minor: int
    currency: str
    review: ReviewEnum
    objection_ends_at: str


class Health(TypedDict):
    """How alive a link is, since when, and what its owner should do; ages are of the car's own values."""

    state: str
    since_at: str | None
    reason: str
    next_step: str
    last_reading_at: str | None


class HomeRequest(TypedDict):
    """What the owner says about the home; powers in W, AC side."""

    address: NotRequired[str]
    postal_code_prefix: str
    time_zone: str
    tariff: str
    evse_max_charge_w: int
    is_evse_bidirectional: NotRequired[bool]
    has_export_permission: NotRequired[bool]
    export_limit_w: NotRequired[int]
    export_permission_ends_on_date: NotRequired[str | None]
    month_kwh: NotRequired[int | None]


class Invoice(TypedDict):
    """An invoice, or a credit note where its amount is below 0."""

    id: str
    name: str
    month_date: str
    currency: str
    amount_minor: int
    state: InvoiceStateEnum
    sent_at: str | None
    due_date: str | None
    paid_at: str | None


class InvoiceDetail(TypedDict):
    """An invoice with its lines."""

    id: str
    name: str
    month_date: str
    currency: str
    amount_minor: int
    state: InvoiceStateEnum
    sent_at: str | None
    due_date: str | None
    paid_at: str | None
    lines: list[InvoiceLine]


class InvoiceLine(TypedDict):
    """One line of an invoice."""

    position: int
    kind: InvoiceLineKindEnum
    event: str | None
    program: str
    form: str
    about_date: str
    postings_count: int
    amount_minor: int


class Leaving(TypedDict):
    """What leaving one event out would cost, told before it is done."""

    expected_minor: int | None
    currency: str
    costs: list[LeavingCost]


class LeavingCost(TypedDict):
    """One form of pay that leaving an event out touches, in the reader's language."""

    form: str
    text: str
    amount_minor: int
    is_lost: bool


class Link(TypedDict):
    """One linked account at an automaker."""

    id: str
    maker: str
    state: LinkStateEnum
    state_reason: str
    linked_at: str
    revoked_at: str | None
    vehicles: list[str]
    health: Health


class LinkBeginRequest(TypedDict):
    """Whose account is to be linked, and where the app wants the browser back (an https link on our list)."""

    maker: str
    return_url: NotRequired[str]


class LinkUrl(TypedDict):
    """Where to send the browser."""

    url: str


class Maker(TypedDict):
    """An automaker or wall box whose accounts can be linked."""

    slug: str
    name: str
    kind: MakerKindEnum
    how: str


class Me(TypedDict):
    """The signed-in user."""

    id: str
    email: str
    name: NotRequired[str]
    country: NotRequired[CountryEnum]
    time_zone: NotRequired[str]
    language: NotRequired[str]
    currency: str


class Nomination(TypedDict):
    """One hour that a program's cars can be counted on for."""

    id: str
    program: str
    starts_at: str
    ends_at: str
    hold_w: int
    discharge_w: int
    cars: int
    method: str
    method_version: int
    made_at: str


class Notice(TypedDict):
    """One notice, readable in the owner's language and time zone and as plain parameters."""

    id: str
    kind: str
    group: str
    is_urgent: bool
    title: str
    body: str
    params: Any
    actions: list[NoticeAction]
    created_at: str
    read_at: str | None


class NoticeAction(TypedDict):
    """What one call can do from a notice."""

    action: NoticeActionActionEnum
    label: str


class NoticeSettings(TypedDict):
    """When the owner is told, by their own clock, and what by which channel; what is left out stays."""

    has_quiet_hours: NotRequired[bool]
    quiet_from_local: NotRequired[str]
    quiet_until_local: NotRequired[str]
    has_digest: NotRequired[bool]
    digest_at_local: NotRequired[str]
    switches: NotRequired[list[Switch]]


class Objection(TypedDict):
    """One reason against joining; the code is stable, the text is in the reader's language."""

    code: str
    text: str


class ObjectionRequest(TypedDict):
    """What is wrong with a result, and what shows it."""

    reason: str
    evidence: NotRequired[str]


class OnboardingLink(TypedDict):
    """A single-use page of the payment processor."""

    url: str


class OnboardingStep(TypedDict):
    """One step: done, next, or later. `href` is the web's page for it."""

    key: str
    title: str
    state: OnboardingStepStateEnum
    href: str


class Override(TypedDict):
    """The owner's word over every plan."""

    id: str
    vehicle: str
    kind: OverrideKindEnum
    starts_at: str
    ends_at: str
    cancelled_at: str | None


class PaginatedChargerList(TypedDict):
    """PaginatedChargerList."""

    next: str | None
    previous: str | None
    results: list[Charger]


class PaginatedConsentList(TypedDict):
    """PaginatedConsentList."""

    next: str | None
    previous: str | None
    results: list[Consent]


class PaginatedDatedDepartureList(TypedDict):
    """PaginatedDatedDepartureList."""

    next: str | None
    previous: str | None
    results: list[DatedDeparture]


class PaginatedDeskEventList(TypedDict):
    """PaginatedDeskEventList."""

    next: str | None
    previous: str | None
    results: list[DeskEvent]


class PaginatedDeskOverviewList(TypedDict):
    """PaginatedDeskOverviewList."""

    next: str | None
    previous: str | None
    results: list[DeskOverview]


class PaginatedDeskProgramList(TypedDict):
    """PaginatedDeskProgramList."""

    next: str | None
    previous: str | None
    results: list[DeskProgram]


class PaginatedDispatchList(TypedDict):
    """PaginatedDispatchList."""

    next: str | None
    previous: str | None
    results: list[Dispatch]


class PaginatedDisputeList(TypedDict):
    """PaginatedDisputeList."""

    next: str | None
    previous: str | None
    results: list[Dispute]


class PaginatedEarningList(TypedDict):
    """PaginatedEarningList."""

    next: str | None
    previous: str | None
    results: list[Earning]


class PaginatedEnrollmentList(TypedDict):
    """PaginatedEnrollmentList."""

    next: str | None
    previous: str | None
    results: list[Enrollment]


class PaginatedExportList(TypedDict):
    """PaginatedExportList."""

    next: str | None
    previous: str | None
    results: list[Export]


class PaginatedInvoiceList(TypedDict):
    """PaginatedInvoiceList."""

    next: str | None
    previous: str | None
    results: list[Invoice]


class PaginatedLinkList(TypedDict):
    """PaginatedLinkList."""

    next: str | None
    previous: str | None
    results: list[Link]


class PaginatedNominationList(TypedDict):
    """PaginatedNominationList."""

    next: str | None
    previous: str | None
    results: list[Nomination]


class PaginatedNoticeList(TypedDict):
    """PaginatedNoticeList."""

    next: str | None
    previous: str | None
    results: list[Notice]


class PaginatedOverrideList(TypedDict):
    """PaginatedOverrideList."""

    next: str | None
    previous: str | None
    results: list[Override]


class PaginatedParticipationList(TypedDict):
    """PaginatedParticipationList."""

    next: str | None
    previous: str | None
    results: list[Participation]


class PaginatedPayoutAccountList(TypedDict):
    """PaginatedPayoutAccountList."""

    next: str | None
    previous: str | None
    results: list[PayoutAccount]


class PaginatedPayoutList(TypedDict):
    """PaginatedPayoutList."""

    next: str | None
    previous: str | None
    results: list[Payout]


class PaginatedPlanList(TypedDict):
    """PaginatedPlanList."""

    next: str | None
    previous: str | None
    results: list[Plan]


class PaginatedProgramList(TypedDict):
    """PaginatedProgramList."""

    next: str | None
    previous: str | None
    results: list[Program]


class PaginatedPushDeviceList(TypedDict):
    """PaginatedPushDeviceList."""

    next: str | None
    previous: str | None
    results: list[PushDevice]


class PaginatedSettlementList(TypedDict):
    """PaginatedSettlementList."""

    next: str | None
    previous: str | None
    results: list[Settlement]


class PaginatedSiteList(TypedDict):
    """PaginatedSiteList."""

    next: str | None
    previous: str | None
    results: list[Site]


class PaginatedStatementLineList(TypedDict):
    """PaginatedStatementLineList."""

    next: str | None
    previous: str | None
    results: list[StatementLine]


class PaginatedTariffList(TypedDict):
    """PaginatedTariffList."""

    next: str | None
    previous: str | None
    results: list[Tariff]


class PaginatedVehicleList(TypedDict):
    """PaginatedVehicleList."""

    next: str | None
    previous: str | None
    results: list[Vehicle]


class Participation(TypedDict):
    """One car's part in one event; `reason_text` says why it helps less than asked, where it does."""

    id: str
    vehicle: str
    event: Event
    state: ParticipationStateEnum
    reason: str
    reason_text: str
    yields_to: str | None
    invited_at: str
    decided_at: str | None


class PatchedCarbonChoiceRequest(TypedDict):
    """How plans shall weigh carbon beside money."""

    choice: NotRequired[ChoiceEnum]


class PatchedMeChangeRequest(TypedDict):
    """What the user may change about themselves."""

    name: NotRequired[str]
    country: NotRequired[str]
    time_zone: NotRequired[str]
    language: NotRequired[str]


class PatchedNoticeSettingsRequest(TypedDict):
    """When the owner is told, by their own clock, and what by which channel; what is left out stays."""

    has_quiet_hours: NotRequired[bool]
    quiet_from_local: NotRequired[str]
    quiet_until_local: NotRequired[str]
    has_digest: NotRequired[bool]
    digest_at_local: NotRequired[str]
    switches: NotRequired[list[SwitchRequest]]


class PatchedPayoutSettingsRequest(TypedDict):
    """What the owner chooses."""

    threshold_minor: NotRequired[int]
    is_paused: NotRequired[bool]
    rhythm: NotRequired[RhythmEnum]


class Pause(TypedDict):
    """Whether all payouts are paused, and what that means for the owner."""

    is_paused: bool
    since: str | None
    detail: str


class PauseRequest(TypedDict):
    """Whether the car takes part at all."""

    is_paused: bool


class PayNowRequest(TypedDict):
    """Which balance to pay out."""

    currency: NotRequired[CurrencyEnum]


class Payout(TypedDict):
    """One payment to the owner."""

    id: str
    amount_minor: int
    currency: str
    state: PayoutStateEnum
    is_waiting_for_approval: bool
    approval_reason: str
    requested_at: str
    sent_at: str | None
    paid_at: str | None
    failure: str
    failure_text: str


class PayoutAccount(TypedDict):
    """Where and how the owner is paid. The bank details stay with the processor."""

    id: str
    country: str
    currency: str
    state: PayoutAccountStateEnum
    is_paused: NotRequired[bool]
    threshold_minor: NotRequired[int]
    rhythm: NotRequired[RhythmEnum]
    next_payout_at: str | None


class Plan(TypedDict):
    """A plan, slot by slot. Powers are kW at the AC side (+ charges, - discharges), prices currency/kWh."""

    id: str
    vehicle: str
    made_at: str
    is_current: bool
    reason: str
    status: str
    sentence: str
    starts_at: str
    slot_minutes: int
    departure_at: str | None
    power_kw: list[float]
    soc_percent: list[float]
    reasons: list[str]
    import_price: list[float]


class PlanDetail(TypedDict):
    """A plan with the problem it solves, its solution and what both were made from: enough to compute it again."""

    id: str
    vehicle: str
    made_at: str
    is_current: bool
    reason: str
    status: str
    sentence: str
    starts_at: str
    slot_minutes: int
    departure_at: str | None
    power_kw: list[float]
    soc_percent: list[float]
    reasons: list[str]
    import_price: list[float]
    problem: dict[str, Any]
    solution: dict[str, Any]
    inputs: dict[str, Any]


class PowerSlot(TypedDict):
    """A quarter of an hour: kW at the AC side."""

    starts_at: str
    hold_kw: float
    discharge_kw: float
    sure_kw: float | None


class Preference(TypedDict):
    """What the owner wants of one car."""

    target_soc_percent: int
    minimum_soc_percent: int
    reserve_soc_percent: int
    is_v2g_allowed: bool
    departures: list[Departure]
    is_paused: bool
    version: int
    changed_at: str


class PreferenceRequest(TypedDict):
    """What the owner wants of one car."""

    target_soc_percent: int
    minimum_soc_percent: int
    reserve_soc_percent: int
    is_v2g_allowed: bool
    departures: list[DepartureRequest]


class Problem(TypedDict):
    """Why a call did not do what was asked (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    code: ProblemCode
    detail: str
    errors: NotRequired[dict[str, Any]]


class Program(TypedDict):
    """A program with the terms in force now."""

    id: str
    slug: str
    name: str
    summary: str
    utility: Utility
    status: StatusEnum
    status_note: str
    is_open: bool
    is_served: bool
    source: str
    as_of_date: str | None
    terms: Terms | None


class ProgramChoice(TypedDict):
    """Whether one car may join one program; `why_not`, the first of the `objections`, is empty where it may."""

    program: Program
    is_open_to_vehicle: bool
    why_not: str
    objections: list[Objection]


class ProofRequest(TypedDict):
    """What the browser brought back to the app's link."""

    proof: str


class PurposeRequest(TypedDict):
    """Which agreement is meant."""

    purpose: PurposeEnum
    language: NotRequired[LanguageEnum]


class PushDevice(TypedDict):
    """A browser that is told; its endpoint is never shown again."""

    id: str
    name: str
    created_at: str


class PushKey(TypedDict):
    """The key with which browsers subscribe ("applicationServerKey"); empty where push is off."""

    public_key: str


class PushKeysRequest(TypedDict):
    """The subscription's keys, as the browser's `PushSubscription.toJSON()` has them."""

    p256dh: str
    auth: str


class PushSubscriptionRequest(TypedDict):
    """A browser's push subscription, as `PushSubscription.toJSON()` has it, and how the owner calls the browser."""

    endpoint: str
    keys: PushKeysRequest
    name: NotRequired[str]


class ReadAll(TypedDict):
    """How many notices were new."""

    read: int


class Reading(TypedDict):
    """What the car was last seen to be; null is what it did not say. `power_w` > 0 charges, < 0 discharges."""

    observed_at: str
    age_seconds: int
    soc_percent: str | None
    limit_percent: str | None
    is_plugged_in: bool | None
    is_at_home: bool | None
    charge_state: str
    power_w: int | None


class Settlement(TypedDict):
    """What a car delivered in an event and earned. A correction is a further revision, never an edit."""

    id: str
    vehicle: str
    participation: str
    event_starts_at: str
    event_ends_at: str
    revision: int
    method: str
    method_version: int
    grade: GradeEnum
    reason: str
    baseline_wh: int
    net_wh: int | None
    delivered_wh: int | None
    credited_wh: int
    reward_micros_per_kwh: int
    amount_minor: int
    currency: str
    created_at: str
    reserved_at: str | None
    posted_at: str | None
    voided_at: str | None


class SettlementDetail(TypedDict):
    """A settlement with its sum in words and numbers, and the evidence it can be recomputed from."""

    id: str
    vehicle: str
    participation: str
    event_starts_at: str
    event_ends_at: str
    revision: int
    method: str
    method_version: int
    grade: GradeEnum
    reason: str
    baseline_wh: int
    net_wh: int | None
    delivered_wh: int | None
    credited_wh: int
    reward_micros_per_kwh: int
    amount_minor: int
    currency: str
    created_at: str
    reserved_at: str | None
    posted_at: str | None
    voided_at: str | None
    group: GroupSettlement | None
    share: Share | None
    steps: list[Step]
    evidence: Any


class Share(TypedDict):
    """How a settlement follows from its group's: whole x weight / weights, rounded down, one more before `left`."""

    group: str
    member: int
    rule: str
    role: str
    committed_wh: int
    weight: int
    weights: int
    credited_wh: Division
    amount_minor: Division


class SharedRequest(TypedDict):
    """What the utility may know to confirm the account: the owner's yes to handing it over."""

    account_name: str
    service_account: str


class Site(TypedDict):
    """The owner's home."""

    id: str
    address: NotRequired[str]
    postal_code_prefix: NotRequired[str]
    time_zone: str
    tariff: str
    evse_max_charge_w: int
    is_evse_bidirectional: NotRequired[bool]
    has_export_permission: NotRequired[bool]
    export_limit_w: NotRequired[int]
    export_permission_ends_on_date: NotRequired[str | None]
    month_kwh: NotRequired[int | None]
    version: int


class SkipRequest(TypedDict):
    """Until when the car is left alone; without it, until it leaves."""

    until: NotRequired[str | None]


class Slot(TypedDict):
    """One bar of the chart. `power_kw` > 0 charges, < 0 discharges; `soc_percent` at its start; `price` a kWh."""

    starts_at: str
    label: str
    power_kw: float
    soc_percent: float
    price: float
    reason: str
    reason_text: str
    is_event: bool


class SpecsRequest(TypedDict):
    """What the owner says of battery and charging power."""

    capacity_wh: int
    max_charge_w: int


class StatementLine(TypedDict):
    """One line of the owner's statement."""

    id: str
    at: str
    kind: StatementLineKindEnum
    state: StatementLineStateEnum
    title: str
    key: str
    amount_minor: int
    available_after_minor: int
    currency: str
    payout: NotRequired[str | None]


class Steering(TypedDict):
    """Sentences for the owner; empty where there is nothing to say."""

    foreign_schedule: str
    discharge_missing: list[str]


class Step(TypedDict):
    """One step of the sum."""

    title: str
    text: str
    value: str
    unit: str


class Switch(TypedDict):
    """Whether one kind of notice comes by one channel."""

    kind: SwitchKindEnum
    channel: ChannelEnum
    is_on: bool


class SwitchRequest(TypedDict):
    """Whether one kind of notice comes by one channel."""

    kind: SwitchKindEnum
    channel: ChannelEnum
    is_on: bool


class Tariff(TypedDict):
    """A tariff's newest version. Rates are millionths of the utility's currency per kWh; docs/feeds.md says the
    rest.

    Holidays count as Sundays; a tier is that of the next kWh after `month_kwh` of a month.
    """

    slug: str
    name: str
    utility: Utility
    kind: TariffKindEnum
    flat_rate_micros_per_kwh: int
    periods: Any
    delivery_micros_per_kwh: int
    export_rate_micros_per_kwh: int
    holidays: Any
    month_kwh: int
    fixed_charge: str
    version: int
    valid_from_date: str | None
    valid_until_date: str | None
    source: str
    as_of_date: str | None


class TaxMeter(TypedDict):
    """What the owner was paid in one calendar year and currency. Information, not advice."""

    country: str
    currency: str
    year: int
    paid_minor: int
    payments: int
    threshold_minor: NotRequired[int | None]
    form: NotRequired[str | None]
    is_reported: bool
    left_minor: int | None
    tax_form: str
    note: str


class Terms(TypedDict):
    """Terms in force."""

    version: int
    valid_from_at: str
    valid_until_at: str | None
    kinds: Any
    reward_micros_per_kwh: int
    minimum_notice_minutes: int
    max_event_minutes: int
    season_months: Any
    windows: Any
    max_events_per_season: int | None
    max_minutes_per_season: int | None
    max_events_per_day: int | None
    change_notice_days: int
    eligibility: Any
    excludes: Any
    goes_with: Any
    needs_confirmation: bool
    settles: SettlesEnum
    baseline_method: str
    baseline_version: int


class TermsChange(TypedDict):
    """One thing that a program's next version says otherwise, in the reader's language; "" is nothing."""

    label: str
    before: str
    after: str


class Tonight(TypedDict):
    """One car's night, with words to show beside the numbers; null is what is not known."""

    vehicle: str
    soc_percent: float | None
    observed_at: str | None
    is_stale: bool
    is_plugged_in: bool | None
    is_at_home: bool | None
    power_w: int | None
    state_text: str
    sentence: str
    obstacle: str
    obstacle_text: str
    slots: list[Slot]
    departure_at: str | None
    ready_by: str
    target_percent: int | None
    ready_percent: int | None
    shortfall_text: str
    currency: str
    next_event: Participation | None
    override: Override | None
    charge_now: ChargeNow | None
    allowance: Allowance | None


class Utility(TypedDict):
    """A utility."""

    slug: str
    name: str
    country: str
    region: str
    currency: str
    time_zone: str
    is_demo: bool


class Vehicle(TypedDict):
    """One car with its latest reading."""

    id: str
    link: str
    maker: str
    make: str
    model: str
    model_year: int | None
    trim: str
    nickname: str
    state: VehicleStateEnum
    is_controlling: bool
    capacity_wh: int
    max_charge_w: int
    max_discharge_w: int
    has_assumed_specs: bool
    capabilities: Capabilities
    abilities: list[Ability]
    reading: Reading | None
    override: Override | None
    trouble: str | None


class Worth(TypedDict):
    """An estimate, apart from any money that is paid: the last thirty days beside charging at once."""

    saved_minor: int
    currency: str
    saved_g: int | None
    stays: int
    unknown: int
