"""What owners read, said whole in each language: the plan, an event's sum, a refusal by the app, a notice."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from rest_framework.test import APIClient

from accounts.flows.notices import notify, read_aloud
from accounts.models import User
from foundation.formats import reader_in
from grid.flows.owners.explaining import explain_settlement
from grid.flows.owners.wording import PlanClock, say_plan, say_shortfall
from grid.flows.settlement.settling import settle_due
from grid.models import Settlement
from grid.planner.explain import Cause, Deed, Ending, Span, Told
from tests.factories import grid, nights

AUSTIN = ZoneInfo("America/Chicago")
FIVE_PM = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)


def plain(text: str) -> str:
    """Return a text with common spaces for its no-break ones."""
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


def say(told: Told, language: str) -> str:
    with translation.override(language):
        clock = PlanClock(
            FIVE_PM, slot_minutes=15, zone=AUSTIN, reader=reader_in("CA" if language == "fr-ca" else "US")
        )
        return plain(say_plan(told, clock, minimum_percent=20))


NIGHT = Told(
    deeds=(Deed("hold", (Span(4, 12),)), Deed("cheap_and_clean", (Span(28, 36), Span(40, 48)))),
    ending=Ending(58, 80, 80.0),
)
SHORT = Told(
    deeds=(Deed("minimum", (Span(0, 5),)), Deed("deadline", (Span(8, 58, 30),))),
    ending=Ending(158, 59, 80.0, is_missed=True, cause=Cause("too_short", hours=15.5, max_charge_kw=1.4)),
)


@pytest.mark.parametrize(
    ("told", "language", "sentence"),
    [
        (
            NIGHT,
            "en",
            (
                "Holds from 6:00 PM to 8:00 PM for the event, charges from 12:00 AM to 2:00 AM and from 3:00 AM to "
                "5:00 AM when power is cheapest and cleanest, ready at 7:30 AM with 80%."
            ),
        ),
        (
            NIGHT,
            "es",
            (
                "Pausa la carga de 6:00 p.m. a 8:00 p.m. por el evento, carga de 12:00 a.m. a 2:00 a.m. y de 3:00 "
                "a.m. a 5:00 a.m., cuando la electricidad es más barata y más limpia, listo a las 7:30 a.m. con 80%."
            ),
        ),
        (
            NIGHT,
            "fr-ca",
            (
                "Attend de 18 h 00 à 20 h 00 pour l’événement, se recharge de 0 h 00 à 2 h 00 et de 3 h 00 à 5 h 00 "
                "quand l’électricité est la moins chère et la plus propre, prêt à 7 h 30 avec 80 %."
            ),
        ),
        (
            SHORT,
            "en",
            (
                "Charges at once from 5:00 PM to 6:15 PM up to its minimum of 20%, charges for 7 h 30 min between "
                "7:00 PM and 7:30 AM to be ready in time, has 59% of the wanted 80% on Friday at 8:30 AM because "
                "15.5 h at 1.4 kW are not enough."
            ),
        ),
        (
            SHORT,
            "es",
            (
                "Carga de inmediato de 5:00 p.m. a 6:15 p.m. hasta su carga mínima de 20%, carga durante 7 h 30 min "
                "entre 7:00 p.m. y 7:30 a.m. para estar listo a tiempo, tiene 59% del 80% deseado el viernes a las "
                "8:30 a.m. porque 15.5 h a 1.4 kW no alcanzan."
            ),
        ),
        (
            SHORT,
            "fr-ca",
            (
                "Se recharge tout de suite de 17 h 00 à 18 h 15 jusqu’à son minimum de 20 %, se recharge pendant 7 h "
                "30 min entre 19 h 00 et 7 h 30 pour être prêt à temps, a 59 % sur les 80 % voulus vendredi à 8 h "
                "30, car 15,5 h à 1,4 kW ne suffisent pas."
            ),
        ),
    ],
)
def test_plan_reads_whole(told: Told, language: str, sentence: str) -> None:
    assert say(told, language) == sentence


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "It will have 60% instead of 80%: the car may charge to 70% only."),
        ("es", "Tendrá 60% en lugar de 80%: el auto solo puede cargar hasta 70%."),
        ("fr-ca", "Il aura 60 % au lieu de 80 % : le véhicule ne peut se recharger que jusqu’à 70 %."),
    ],
)
def test_shortfall_reads_whole(language: str, sentence: str) -> None:
    with translation.override(language):
        cause = Cause("maximum", max_percent=70.0)
        told = say_shortfall(cause, reached_percent=60, wanted_percent=80, reader=reader_in("US"))
    assert plain(told) == sentence


STEPS = {
    "en": (
        "The utility asked to hold charging from Wed, Nov 18, 6:05 PM CST to Wed, Nov 18, 8:05 PM CST.",
        "22,600 Wh without the event less 600 Wh (rounded to whole Wh).",
    ),
    "es": (
        (
            "La compañía eléctrica pidió pausar la carga desde mié, 18 de nov, 6:05 p.m. CST hasta mié, 18 de nov, "
            "8:05 p.m. CST."
        ),
        "22,600 Wh sin el evento menos 600 Wh (redondeado a Wh enteros).",
    ),
    "fr-ca": (
        "Le distributeur a demandé de suspendre la recharge (mer. 18 nov., 18 h 05 CST – mer. 18 nov., 20 h 05 CST).",
        "22 600 Wh sans l’événement moins 600 Wh (arrondi au Wh entier).",
    ),
}


@pytest.mark.django_db
def test_event_is_explained_in_every_language(alice: User, now: datetime) -> None:
    part = grid.participation(nights.plugged_car(alice, now=now), now=now)
    for minutes, imported_wh in ((-5, 1_000), (10, 1_900), (130, 1_900)):
        at = part.event.starts_at + minutes * timedelta(minutes=1)
        nights.reading(part.enrollment.vehicle, at=at, soc=60, imported_wh=imported_wh, exported_wh=0)
    settle_due(now=part.event.settle_at, limit=10)
    settlement = Settlement.objects.get()

    for language, sentences in STEPS.items():
        with translation.override(language):
            told = explain_settlement(settlement=settlement, zone=AUSTIN, reader=reader_in("US"))
        texts = [plain(step.text) for step in told.steps]
        assert (texts[0], texts[4]) == sentences


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ("en", "Set up payouts first, so that we know where to send your money."),
        ("es", "Primero configura los pagos, para que sepamos adónde enviar tu dinero."),
        ("es-MX,en;q=0.5", "Primero configura los pagos, para que sepamos adónde enviar tu dinero."),
        ("fr-CA", "Configurez d’abord les versements, pour que nous sachions où envoyer votre argent."),
        ("de", "Set up payouts first, so that we know where to send your money."),
    ],
)
def test_api_refuses_in_the_language_that_is_asked_for(asked: str, detail: str, alice: User) -> None:
    client = APIClient()
    client.force_login(alice)
    answer = client.post("/api/v1/payouts/pay-now/", {}, format="json", HTTP_ACCEPT_LANGUAGE=asked)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, "not_set_up", detail)


@pytest.mark.django_db
def test_own_language_of_an_owner_goes_before_the_browsers(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="es")
    client = APIClient()
    client.force_login(alice)
    refused = client.post("/api/v1/payouts/pay-now/", {}, format="json", HTTP_ACCEPT_LANGUAGE="en")
    assert refused.json()["detail"].startswith("Primero configura los pagos")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "title", "body"),
    [
        (
            "en",
            "You earned $4.50",
            (
                "For the event of Wed, Nov 18, 5:05 PM, 21.70 kWh is credited to your car. The earnings page shows "
                "how it was worked out."
            ),
        ),
        (
            "es",
            "Ganaste $4.50",
            (
                "Por el evento de mié, 18 de nov, 5:05 p.m., se acreditan 21.70 kWh a tu auto; la página de "
                "ganancias muestra cómo se calculó."
            ),
        ),
        (
            "fr-ca",
            "Vous avez gagné 4,50 $ US",
            (
                "Pour l’événement (mer. 18 nov., 17 h 05), 21,70 kWh sont portés au crédit de votre véhicule. La page "
                "des gains montre le calcul."
            ),
        ),
    ],
)
def test_notice_is_read_in_the_readers_language(
    language: str, title: str, body: str, alice: User, now: datetime
) -> None:
    params: dict[str, Any] = {"amount_minor": 450, "currency": "USD", "energy_wh": 21_700, "starts_at": now.isoformat()}
    notice = notify(user=alice, kind="settlement_posted", key="settlement:1", params=params, now=now)
    with translation.override(language):
        shown = read_aloud(notice, reader=alice)
    assert (plain(shown.title), plain(shown.body)) == (title, body)
