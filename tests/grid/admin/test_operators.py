"""Utilities' servers of OpenADR 2.0b in the admin: what is refused, and that secrets stay where they are."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chargescape.staff.alerts import grid_alerts
from grid.models import OperatorLink
from tests.factories import grid as make
from tests.grid.operators.test_openadr2b_wire import OURS, SERVER

pytestmark = pytest.mark.django_db
PAGE = "/admin/grid/operatorlink/"


def post(client: Client, now: datetime, page: str = f"{PAGE}add/", **changes: Any) -> Any:
    data = {
        "protocol": "openadr-2.0b",
        "api_base": "https://vtn.test/OpenADR2/Simple/2.0b",
        "ven_name": "fleet",
        "certificate": OURS.certificate,
        "private_key": OURS.key,
        "poll_seconds": "60",
        "is_active": "on",
        "programs-TOTAL_FORMS": "0",
        "programs-INITIAL_FORMS": "0",
    }
    return client.post(page, data | changes)


def test_link_is_set_up_and_its_key_stays_hidden(client: Client, ada: User, now: datetime) -> None:
    client.force_login(ada)
    utility = make.utility()
    assert post(client, now, utility=utility.pk).status_code == 302
    link = OperatorLink.objects.get()
    assert link.private_key.strip() == OURS.key.strip()
    page = f"{PAGE}{link.pk}/change/"
    assert "PRIVATE KEY" not in client.get(page).content.decode()
    assert post(client, now, page, utility=utility.pk, private_key="", poll_seconds="30").status_code == 302
    link.refresh_from_db()
    assert (link.private_key.strip(), link.poll_seconds) == (OURS.key.strip(), 30)
    assert f"{datetime.now() + timedelta(days=30):%Y}" in client.get(PAGE).content.decode()  # noqa: DTZ005


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"api_base": "http://vtn.test/x"}, "by HTTPS only"),
        ({"certificate": "x"}, "Give a PEM certificate"),
        ({"private_key": SERVER.key}, "belongs to another certificate"),
        ({"private_key": ""}, "go together"),
        ({"certificate": "", "private_key": "", "signs_messages": "on"}, "Messages are signed with a certificate"),
        ({"fingerprint": "12:34"}, "ten last bytes"),
        ({"oauth_id": "x"}, "does not use this"),
        ({"poll_seconds": "5"}, "every 10 seconds"),
        ({"protocol": "openadr-3.1.0"}, "OpenADR 3 does not use this"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    client: Client, ada: User, now: datetime, changes: dict[str, str], why: str
) -> None:
    client.force_login(ada)
    shown = post(client, now, utility=make.utility().pk, **changes)
    assert shown.status_code == 200
    assert why in shown.content.decode()
    assert not OperatorLink.objects.exists()


def test_link_that_nobody_asks_and_certificate_that_runs_out_are_alerts(now: datetime) -> None:
    program = make.operator_program(now=now, protocol="openadr-2.0b", certificate=OURS.certificate)
    texts = [alert.text for alert in grid_alerts(now=now)]
    assert "1 servers of OpenADR 2.0b are not asked. Does openadr2b run?" in texts
    assert any(text.startswith("Our certificate runs out within 30 days") for text in texts)
    OperatorLink.objects.filter(pk=program.link_id).update(heard_at=now, next_poll_at=now, certificate="")
    assert not [alert for alert in grid_alerts(now=now) if "2.0b" in alert.text]
