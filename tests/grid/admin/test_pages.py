"""Every page of the grid's admin opens; what flows write is not edited there."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from grid.flows.plans.planning import plan_due
from grid.metering.control_groups import Candidate, draw_control_group
from grid.models import ControlDraw, Dispatch, Feed, Plan, Program, ProgramTerms, Settlement, Tariff
from tests.factories import grid as make
from tests.factories import nights

pytestmark = pytest.mark.django_db

READ_ONLY = [
    "site",
    "enrollment",
    "eventparticipation",
    "planningstate",
    "plan",
    "dispatch",
    "settlement",
    "controldraw",
]
EDITED = ["utility", "tariff", "program", "feed"]


@pytest.fixture
def desk(client: Client, ada: User, alice: User, now: datetime) -> Client:
    part = make.participation(make.enrollment(alice, now=now), now=now)
    car = part.enrollment.vehicle
    make.feed()
    nights.leaves(car)
    nights.arrives(car, at=now, soc=50)
    assert plan_due(now=now, limit=1) == 1
    plan = Plan.objects.get()
    Dispatch.objects.create(
        vehicle=car, plan=plan, mode="hold", starts_at=now, ends_at=now + timedelta(hours=1), created_at=now
    )
    Settlement.objects.create(
        participation=part,
        method="uncontrolled-at-plug-in",
        baseline_wh=9_000,
        net_wh=0,
        delivered_wh=9_000,
        credited_wh=9_000,
        reward_micros_per_kwh=2_000_000,
        amount_minor=1_800,
        currency="USD",
        grade="measured",
        evidence={"readings": []},
        created_at=now,
    )
    candidates = [Candidate(f"car-{place}", str(place), None) for place in range(8)]
    lot = draw_control_group(candidates=candidates, share=Fraction(1, 4), seed="a1")
    ControlDraw.objects.create(
        event=part.event, method=lot.method, method_version=lot.version, seed=lot.seed, share_percent=25,
        eligible=lot.eligible, candidates=[[one.car, one.owner, None] for one in candidates], drawn=list(lot.cars),
        drawn_at=now,
    )  # fmt: skip
    client.force_login(ada)
    return client


@pytest.mark.parametrize("model", [*READ_ONLY, *EDITED, "gridevent"])
def test_list_and_row_open(desk: Client, model: str) -> None:
    page = desk.get(reverse(f"admin:grid_{model}_changelist"), {"q": "a"})
    assert page.status_code == 200
    queryset = desk.get(reverse(f"admin:grid_{model}_changelist")).context["cl"].queryset
    assert desk.get(reverse(f"admin:grid_{model}_change", args=[queryset.first().pk])).status_code == 200


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_flows_write_is_only_read(desk: Client, model: str) -> None:
    row = desk.get(reverse(f"admin:grid_{model}_changelist")).context["cl"].queryset.first()
    assert desk.get(reverse(f"admin:grid_{model}_add")).status_code == 403
    for verb in ("change", "delete"):
        assert desk.post(reverse(f"admin:grid_{model}_{verb}", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_address_of_a_home_is_not_shown(desk: Client, alice: User) -> None:
    site = alice.sites.get()
    site.address = "1100 Congress Ave"
    site.save()
    assert "Congress" not in desk.get(reverse("admin:grid_site_change", args=[site.pk])).content.decode()


def _program_form(program: Program, **terms: str) -> dict[str, str]:
    prefix = {f"terms-0-{name}": value for name, value in terms.items()}
    return {
        "utility": str(program.utility_id),
        "slug": program.slug,
        "name": program.name,
        "status": "open",
        "is_served": "on",
        "groups": "[]",
        "terms-TOTAL_FORMS": "1",
        "terms-INITIAL_FORMS": "0",
        "terms-2-TOTAL_FORMS": "0",
        "terms-2-INITIAL_FORMS": "0",
    } | prefix


def test_admin_adds_a_version_of_terms_in_currency(desk: Client) -> None:
    program = Program.objects.get()
    wishes = _program_form(
        program,
        version="2",
        valid_from_at_0="2026-12-01",
        valid_from_at_1="00:00",
        reward_micros_per_kwh="1.25",
        kinds="hold",
        minimum_notice_minutes="30",
        max_event_minutes="120",
        settles="group",
        group_method="sum-of-cars",
        group_method_version="1",
        share_rule="by_commitment",
        control_share_percent="0",
        objection_hours="72",
        change_notice_days="30",
    )
    answer = desk.post(reverse("admin:grid_program_change", args=[program.pk]), wishes)
    assert answer.status_code == 302, answer.context["errors"]
    added = ProgramTerms.objects.get(version=2)
    assert (added.reward_micros_per_kwh, added.kinds) == (1_250_000, ["hold"])


def test_terms_that_an_event_used_have_no_fields(desk: Client) -> None:
    page = desk.get(reverse("admin:grid_program_change", args=[Program.objects.get().pk])).content.decode()
    assert "erms that events used (a change is a new version)" in page
    assert 'name="terms-0-version"' not in page


def test_tariff_is_typed_in_currency_and_its_periods_are_checked(desk: Client) -> None:
    tariff = Tariff.objects.get()
    address = reverse("admin:grid_tariff_change", args=[tariff.pk])
    assert desk.get(address).context["adminform"].form["flat_rate_micros_per_kwh"].value() == Decimal("0.12")
    wishes = {
        "utility": str(tariff.utility_id),
        "slug": tariff.slug,
        "name": tariff.name,
        "kind": "time_of_use",
        "flat_rate_micros_per_kwh": "0.15",
        "delivery_micros_per_kwh": "0",
        "export_rate_micros_per_kwh": "0",
        "periods": '[{"weekdays": [0], "from": "07:00", "to": "06:00", "rate": 1}]',
    }
    page = desk.post(address, wishes)
    assert "Period 1 ends before it starts" in page.content.decode()
    desk.post(address, wishes | {"periods": '[{"weekdays": [0], "from": "06:00", "to": "07:00", "rate": 1}]'})
    tariff.refresh_from_db()
    assert tariff.flat_rate_micros_per_kwh == 150_000


def test_feed_can_be_asked_for_soon(desk: Client, now: datetime) -> None:
    feed = Feed.objects.get()
    Feed.objects.update(next_fetch_at=now + timedelta(hours=1), lease_until=now + timedelta(hours=1))
    desk.post(reverse("admin:grid_feed_changelist"), {"action": "fetch_soon", "_selected_action": [str(feed.pk)]})
    feed.refresh_from_db()
    assert (feed.next_fetch_at, feed.lease_until) == (None, None)


def test_control_group_can_be_drawn_again(desk: Client) -> None:
    draw = ControlDraw.objects.get()
    page = reverse("admin:grid_controldraw_change", args=[draw.pk])
    assert "the same cars" in desk.get(page).content.decode()
    ControlDraw.objects.update(seed="b2")
    assert "OTHER cars" in desk.get(page).content.decode()
