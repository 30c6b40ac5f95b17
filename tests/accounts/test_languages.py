"""In which language pages speak."""

import pytest
from django.test import Client

from accounts.models import User


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("", "en"), ("de", "en"), ("fr", "fr-ca"), ("fr-FR,fr;q=0.9", "fr-ca"), ("es-MX", "es"), ("en-CA,fr;q=0.5", "en")],
)
def test_strangers_read_what_their_browser_asks_for(client: Client, asked: str, spoken: str) -> None:
    answer = client.get("/", headers={"accept-language": asked})
    assert answer["Content-Language"] == spoken
    assert f'<html lang="{spoken}">' in answer.content.decode()
    assert {"Accept-Language", "Cookie"} <= {part.strip() for part in answer["Vary"].split(",")}


@pytest.mark.django_db
def test_menu_works_without_an_account_and_keeps_the_page(client: Client) -> None:
    answer = client.post("/language/", {"language": "fr-ca", "next": "/account/login/"})
    assert answer["Location"] == "/account/login/"
    page = client.get("/account/login/", headers={"accept-language": "es"})
    assert page["Content-Language"] == "fr-ca"
    assert 'value="fr-ca" lang="fr-ca" aria-current="true"' in page.content.decode()


@pytest.mark.parametrize("next_page", ["https://elsewhere.test/", "//elsewhere.test", ""])
@pytest.mark.django_db
def test_menu_sends_nobody_elsewhere(client: Client, next_page: str) -> None:
    assert client.post("/language/", {"language": "es", "next": next_page})["Location"] == "/"


def test_owners_choice_beats_cookie_and_browser(client: Client, alice: User) -> None:
    client.force_login(alice)
    client.post("/language/", {"language": "es", "next": "/account/"})
    alice.refresh_from_db()
    assert alice.language == "es"
    client.cookies["chargescape_language"] = "fr-ca"
    assert client.get("/account/", headers={"accept-language": "fr"})["Content-Language"] == "es"


def test_owner_can_go_back_to_the_browsers_language(client: Client, alice: User) -> None:
    client.force_login(alice)
    client.post("/language/", {"language": "es"})
    client.post("/language/", {"language": ""})
    alice.refresh_from_db()
    assert alice.language == ""
    assert client.get("/account/", headers={"accept-language": "fr"})["Content-Language"] == "fr-ca"


def test_language_that_is_not_spoken_is_refused(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.post("/language/", {"language": "tlh", "next": "/account/"}, follow=True)
    assert "We do not speak this language" in page.content.decode()
    assert not User.objects.exclude(language="").exists()


def test_staffs_pages_stay_english(client: Client, ada: User) -> None:
    ada.language = "fr-ca"
    ada.save()
    client.force_login(ada)
    assert client.get("/admin/", headers={"accept-language": "fr"})["Content-Language"] == "en"


@pytest.mark.django_db
def test_who_signs_up_in_french_is_written_to_in_french(client: Client) -> None:
    client.post(
        "/account/signup/",
        {"email": "new@example.org", "password1": "charge-the-grid-9"},
        headers={"accept-language": "fr-CA"},
    )
    assert User.objects.get(email="new@example.org").language == "fr-ca"
