"""Mail as it leaves: to a real SMTP server, encrypted, in two forms, and what becomes of refusals."""

from __future__ import annotations

import dataclasses
import smtplib
import socket
import ssl
from pathlib import Path
from typing import Any

import certificates
import pytest
from mails import queued
from people_world import Make, person
from smtp_server import smtp_server

from quayframe.data.tables import Job, Lease
from quayframe.registry import Registry
from quayframe.services import mail as mail_service
from quayframe.services.clock import now_ms
from quayframe.services.jobs import Hopeless, Jobs
from quayframe.services.mail import MOST_AN_HOUR, TEMPLATES, Mail, MailOptions
from quayframe.worker.loop import Worker

VALUES: dict[str, Any] = {
    "username": "<alice>",
    "code": "a b/c+d",
    "minutes": 30,
    "old_email": "old@mail.test",
    "new_email": "new@mail.test",
    "organization": "acme",
    "admins": ["owner"],
    "inviter": "owner",
    "team": "devs",
    "assigner": "owner",
    "application": "<app>",
    "scope": "repo:read",
}
PLAIN = MailOptions("127.0.0.1", use_tls=False, base="https://registry.test", sender="registry@mail.test")


@pytest.fixture
def trust(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server at 127.0.0.1 and of a client that trusts it."""
    authority = certificates.authority(tmp_path / "ca.pem")
    ca = authority.issue(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return server, ssl.create_default_context(cafile=str(ca))


def mail_with(registry: Registry, options: MailOptions) -> Mail:
    ground = registry.tenancy.ground
    return Mail(ground.jobs, ground.box, options, on=True)


def queue(registry: Registry, mail: Mail, to: str = "alice@mail.test", template: str = "recovery") -> None:
    registry.db.write(lambda tx: mail.queue(tx, to, template, VALUES))


def run(registry: Registry, mail: Mail) -> None:
    """Runs one job, as the worker does."""
    assert registry.jobs.run_one({"mail": mail.deliver})


def test_a_mail_arrives_with_a_text_and_an_html_part(mailing: Registry) -> None:
    with smtp_server() as box:
        mail = mail_with(mailing, dataclasses.replace(PLAIN, port=box.port))
        queue(mailing, mail)
        run(mailing, mail)

    (message,) = box.mails
    assert message["To"] == "alice@mail.test"
    assert message["From"] == "registry@mail.test"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "https://registry.test/recovery?code=a%20b/c%2Bd" in text.get_content()
    assert 'href="https://registry.test/recovery?code=a%20b/c%2Bd"' in html.get_content()
    assert "&lt;alice&gt;" in html.get_content()
    assert "<alice>" in text.get_content()
    assert not mailing.jobs.run_one({"mail": mail.deliver})


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_makes_a_whole_mail(mailing: Registry, template: str) -> None:
    mail = mail_with(mailing, PLAIN)
    message = mail.compose({"to": "alice@mail.test", "template": template, "values": VALUES})

    assert message["Subject"]
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().startswith("Hello <alice>,\n")
    assert "{" not in text.get_content() + str(message["Subject"])
    assert "<alice>" not in html.get_content()
    assert "<app>" not in html.get_content()


def test_the_templates_are_those_that_are_there() -> None:
    folder = Path(mail_service.__file__).with_name("mail_templates")
    assert {file.stem for file in folder.glob("*.txt")} - {"base"} == set(TEMPLATES)
    assert {file.stem for file in folder.glob("*.html")} - {"base"} == set(TEMPLATES)


def test_starttls_is_used_and_the_log_in_comes_after_it(
    mailing: Registry, trust: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, client = trust
    options = dataclasses.replace(PLAIN, use_tls=True, tls=client, username="registry", password="secret")
    with smtp_server(starttls=server, login=("registry", "secret")) as box:
        mail = mail_with(mailing, dataclasses.replace(options, port=box.port))
        queue(mailing, mail)
        run(mailing, mail)

    assert box.encrypted == [True]


def test_a_server_without_starttls_is_sent_nothing_in_the_clear(mailing: Registry) -> None:
    with smtp_server() as box:
        mail = mail_with(mailing, dataclasses.replace(PLAIN, use_tls=True, port=box.port))
        with pytest.raises(smtplib.SMTPNotSupportedError):
            mail.deliver({"to": "alice@mail.test", "template": "recovery", "values": VALUES})

    assert box.mails == []


def test_a_server_that_nobody_vouches_for_is_sent_nothing(
    mailing: Registry, trust: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    with smtp_server(starttls=trust[0]) as box:
        mail = mail_with(mailing, dataclasses.replace(PLAIN, use_tls=True, port=box.port))
        with pytest.raises(ssl.SSLCertVerificationError):
            mail.deliver({"to": "alice@mail.test", "template": "recovery", "values": VALUES})

    assert box.mails == []


def test_on_its_own_port_tls_comes_first(
    mailing: Registry, trust: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = trust
    with smtp_server(tls=server) as box:
        # Only root may listen on 465.
        monkeypatch.setattr(mail_service, "TLS_PORT", box.port)
        mail = mail_with(mailing, dataclasses.replace(PLAIN, use_tls=True, tls=client, port=box.port))
        mail.deliver({"to": "alice@mail.test", "template": "recovery", "values": VALUES})

    assert box.encrypted == [True]


def test_a_refused_recipient_is_a_dead_letter_that_says_why(mailing: Registry) -> None:
    with smtp_server() as box:
        box.answers["alice@mail.test"] = "550 5.1.1 no such mailbox"
        mail = mail_with(mailing, dataclasses.replace(PLAIN, port=box.port))
        queue(mailing, mail)
        run(mailing, mail)

    (letter,) = mailing.jobs.dead()
    assert (
        letter["error"] == "the mail server refuses the recipient alice@mail.test: 550 5.1.1 no such mailbox"
    )
    assert letter["attempts"] == 1


def test_a_passing_refusal_is_tried_again(mailing: Registry) -> None:
    with smtp_server() as box:
        box.answers["alice@mail.test"] = "450 4.2.1 later"
        mail = mail_with(mailing, dataclasses.replace(PLAIN, port=box.port))
        queue(mailing, mail)
        run(mailing, mail)
        assert mailing.jobs.dead() == []
        box.answers.clear()
        mailing.db.write(lambda tx: tx.run(Job.update(due_ms=0)))
        run(mailing, mail)

    assert len(box.mails) == 1


def test_a_server_that_is_away_is_tried_again(mailing: Registry) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        mail = mail_with(mailing, dataclasses.replace(PLAIN, port=nobody.getsockname()[1]))
        queue(mailing, mail)
        run(mailing, mail)

    assert mailing.jobs.dead() == []
    assert mailing.db.sql_rows("SELECT attempts FROM job") == [(1,)]


@pytest.mark.parametrize(
    "to", ["a,b@mail.test", "<a>@mail.test", "a@mail.test\nBcc: b@mail.test", "ä@mail.test"]
)
def test_an_address_that_mail_cannot_go_to_never_reaches_the_server(mailing: Registry, to: str) -> None:
    with smtp_server() as box:
        mail = mail_with(mailing, dataclasses.replace(PLAIN, port=box.port))
        with pytest.raises((Hopeless, smtplib.SMTPException)):
            mail.deliver({"to": to, "template": "recovery", "values": VALUES})

    assert box.mails == []


def test_nothing_is_queued_without_an_address_or_without_mail(mailing: Registry, registry: Registry) -> None:
    queue(mailing, mailing.tenancy.mail, to="6f1a3c1e-uuid")
    queue(registry, registry.tenancy.mail)

    for one in (mailing, registry):
        assert one.db.sql_rows("SELECT id FROM job") == []


def test_a_test_registry_sends_nothing_and_the_job_is_done(mailing: Registry) -> None:
    queue(mailing, mailing.tenancy.mail)
    worker = Worker(mailing)

    assert worker.work()
    assert not worker.work()
    assert mailing.jobs.dead() == []


def test_the_configuration_reaches_the_server(make_protocol: Make) -> None:
    with smtp_server() as box:
        registry = make_protocol(
            TESTING=False,
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=box.port,
            MAIL_USE_TLS=False,
            MAIL_DEFAULT_SENDER="registry@mail.test",
            SERVER_HOSTNAME="registry.test",
            PREFERRED_URL_SCHEME="https",
            REGISTRY_TITLE="Our Registry",
        ).registry
        queue(registry, registry.tenancy.mail)
        assert Worker(registry).work()

    (message,) = box.mails
    assert message["Subject"] == "Recover your account at Our Registry"
    text = message.get_body(("plain",))
    assert text is not None
    assert "https://registry.test/recovery?code=" in text.get_content()


def test_a_job_that_is_hopeless_is_not_tried_again(mailing: Registry) -> None:
    jobs: Jobs = mailing.jobs
    mailing.db.write(lambda tx: jobs.add(tx, "mail", {"to": "a@mail.test", "template": "nosuch"}))
    run(mailing, mailing.tenancy.mail)

    (letter,) = jobs.dead()
    assert letter["error"] == "there is no mail template nosuch"


# -- what users have sent to each other ---------------------------------------------------------------


def sent(registry: Registry, template: str, to: str) -> int:
    return len([mail for mail in queued(registry) if (mail.template, mail.to) == (template, to)])


def test_no_mailbox_is_filled_with_invitations(mailing: Registry) -> None:
    owner = person(mailing, "owner")
    mailing.tenancy.organizations.create(owner, "acme")
    invites = mailing.tenancy.invites
    for _ in range(2 * MOST_AN_HOUR):
        invites.invite_email(owner, "acme", "owners", "victim@mail.test")
        invites.withdraw_email(owner, "acme", "owners", "victim@mail.test")
    invites.invite_email(owner, "acme", "owners", "friend@mail.test")

    assert sent(mailing, "teaminvite", "victim@mail.test") == MOST_AN_HOUR
    assert sent(mailing, "teaminvite", "friend@mail.test") == 1


def test_no_mailbox_is_filled_by_who_claims_its_address(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    for _ in range(2 * MOST_AN_HOUR):
        for address in ("victim@mail.test", "other@mail.test"):
            mailing.tenancy.people.change(alice, {"email": address})

    assert sent(mailing, "emailchange", "victim@mail.test") == MOST_AN_HOUR


def test_after_an_hour_mails_go_out_again_and_counts_are_swept(mailing: Registry) -> None:
    mail = mailing.tenancy.mail
    for _ in range(2 * MOST_AN_HOUR):
        queue(mailing, mail, template="teaminvite")
    mailing.db.write(lambda tx: tx.run(Lease.update(until_ms=now_ms() - 1)))
    queue(mailing, mail, template="teaminvite")

    assert sent(mailing, "teaminvite", "alice@mail.test") == MOST_AN_HOUR + 1
    mailing.db.write(lambda tx: tx.run(Lease.update(until_ms=now_ms() - 1)))
    mailing.collector.sweep()
    assert mailing.db.rows(Lease.select(Lease.id)) == []


def test_what_an_owner_has_to_know_is_not_counted(mailing: Registry) -> None:
    for _ in range(2 * MOST_AN_HOUR):
        queue(mailing, mailing.tenancy.mail, template="passwordchanged")

    assert sent(mailing, "passwordchanged", "alice@mail.test") == 2 * MOST_AN_HOUR


def test_a_name_with_lines_of_its_own_writes_no_text_of_the_mail(mailing: Registry) -> None:
    values = VALUES | {"application": "app\n\nYour account is closed"}
    message = mailing.tenancy.mail.compose(
        {"to": "alice@mail.test", "template": "tokenassigned", "values": values}
    )
    text = message.get_body(("plain",))

    assert text is not None
    assert text.get_content().startswith("Hello ")
    assert "app Your account is closed" in str(message["Subject"])
