import smtplib
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import requests

from tests.sandbox_process import SandboxProcess


def send(sandbox: SandboxProcess, *recipients: str, subject: str, text: str, html: str = "") -> None:
    """Send one mail over SMTP."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "news@chargescape.example", ", ".join(recipients), subject
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=30) as smtp:
        smtp.send_message(mail)


def messages(sandbox: SandboxProcess, **query: str) -> list[dict[str, Any]]:
    """Return what the mailbox's API answers."""
    reply = requests.get(f"{sandbox.url}/mailbox/api/messages", params=query, timeout=30)
    reply.raise_for_status()
    found: list[dict[str, Any]] = reply.json()
    return found


def test_mail_arrives_with_both_its_parts(sandbox: SandboxProcess) -> None:
    send(sandbox, "parts@example.org", subject="Grüße", text="plain ✓\n", html="<b>rich</b>")
    (mail,) = messages(sandbox, to="PARTS@example.org")
    assert (mail["to"], mail["from"], mail["subject"]) == ("parts@example.org", "news@chargescape.example", "Grüße")
    assert mail["text"].strip() == "plain ✓"
    assert mail["html"].strip() == "<b>rich</b>"


def test_mail_to_two_people_is_two_messages(sandbox: SandboxProcess) -> None:
    send(sandbox, "one@example.org", "two@example.org", subject="Both", text="hi")
    assert [len(messages(sandbox, to=f"{name}@example.org")) for name in ("one", "two", "three")] == [1, 1, 0]


def test_since_leaves_older_mail_out_and_newest_comes_first(sandbox: SandboxProcess) -> None:
    send(sandbox, "since@example.org", subject="Old", text="old")
    time.sleep(0.05)
    between = datetime.now(UTC)
    send(sandbox, "since@example.org", subject="New", text="new")
    send(sandbox, "since@example.org", subject="Newest", text="newest")
    newer = messages(sandbox, to="since@example.org", since=between.isoformat())
    assert [mail["subject"] for mail in newer] == ["Newest", "New"]
    assert messages(sandbox, to="since@example.org", since=(between + timedelta(hours=1)).isoformat()) == []


@pytest.mark.parametrize("query", ["since=yesterday", "limit=0", "limit=many"])
def test_api_refuses_nonsense(sandbox: SandboxProcess, query: str) -> None:
    assert requests.get(f"{sandbox.url}/mailbox/api/messages?{query}", timeout=30).status_code == 400


def test_page_shows_links_but_no_markup_of_the_mail(sandbox: SandboxProcess) -> None:
    text = "Confirm: http://localhost:8000/confirm/?key=a&b=c <script>alert(1)</script>"
    send(sandbox, "page@example.org", subject="<i>Hello</i>", text=text, html="<script>alert(2)</script>")
    (mail,) = messages(sandbox, to="page@example.org")
    inbox = requests.get(f"{sandbox.url}/mailbox/?to=page@example.org", timeout=30).text
    page = requests.get(f"{sandbox.url}/mailbox/{mail['id']}/", timeout=30).text
    assert "&lt;i&gt;Hello&lt;/i&gt;" in inbox
    assert '<a href="http://localhost:8000/confirm/?key=a&amp;b=c"' in page
    assert "<script>" not in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


def test_mail_too_large_is_refused(sandbox: SandboxProcess) -> None:
    with pytest.raises(smtplib.SMTPException):
        send(sandbox, "large@example.org", subject="Large", text=("x" * 70 + "\n") * 20_000)
    assert messages(sandbox, to="large@example.org") == []


def test_long_text_is_cut_to_its_bound(sandbox: SandboxProcess) -> None:
    send(sandbox, "long@example.org", subject="Long", text=("x" * 70 + "\n") * 5_000)
    assert len(messages(sandbox, to="long@example.org")[0]["text"]) == 100_000


def test_subject_with_a_line_break_stays_one_line(sandbox: SandboxProcess) -> None:
    raw = "From: a@b.c\r\nTo: fold@example.org\r\nSubject: one\r\n two\r\n\r\nhi"
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=30) as smtp:
        smtp.sendmail("a@b.c", ["fold@example.org"], raw)
    assert messages(sandbox, to="fold@example.org")[0]["subject"] == "one two"
