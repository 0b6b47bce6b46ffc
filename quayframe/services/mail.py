"""Mail: queued in the transaction of the act that wants it, sent by a job.

A mail is a template of `mail_templates` in two forms, NAME.txt (its first line is the subject) and
NAME.html. They are given `title` (REGISTRY_TITLE), `base` (`scheme://host`, or nothing where
SERVER_HOSTNAME is not set: links then are paths) and the values of whoever queued it.
"""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quayframe.data.db import Tx
from quayframe.data.tables import Lease
from quayframe.oci import names
from quayframe.plugin.boundary import outside

from .clock import now_ms
from .crypto import SecretBox

if TYPE_CHECKING:
    from jinja2 import Environment
from .jobs import Hopeless, Jobs

log = logging.getLogger("quayframe.mail")

JOB = "mail"
TIMEOUT_S = 10
TLS_PORT = 465
MAXIMUM_ATTEMPTS = 12
TEMPLATES = (
    "confirm", "emailchange", "emailchanged", "orgrecovery", "passwordchanged", "recovery", "teaminvite",
    "tokenassigned", "useradded",
)  # fmt: skip
"""confirm, emailchange, recovery, teaminvite and useradded have a `code`."""


LIMITED = frozenset(("emailchange", "teaminvite", "tokenassigned"))
"""What one user may have sent to another's address as often as it likes."""
MOST_AN_HOUR = 10
"""Of each of these to one address; the others are not sent."""
COUNT = "mail:"
"""The leases that count them begin so."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class MailOptions:
    """MAIL_* of the configuration.

    `sends` is False where mail is to be suppressed (TESTING), `tls` replaces the system's trust."""

    server: str
    port: int = 587
    use_tls: bool = True
    username: str | None = None
    password: str | None = None
    sender: str = "admin@example.com"
    title: str = "Quayframe"
    base: str = ""
    sends: bool = True
    tls: ssl.SSLContext | None = None


class Mail:
    """:param on: FEATURE_MAILING; without it nothing is queued."""

    def __init__(self, jobs: Jobs, box: SecretBox, options: MailOptions, *, on: bool) -> None:
        self._jobs = jobs
        self._box = box
        self._options = options
        self.on = on

    @cached_property
    def _templates(self) -> Environment:
        # Mail is written by the worker alone.
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

        return Environment(
            loader=PackageLoader("quayframe.services", "mail_templates"),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def queue(self, tx: Tx, to: str | None, template: str, values: Mapping[str, Any]) -> bool:
        """Writes the job that sends a mail; False when mail is off, `to` is no address, or has been sent
        too many of LIMITED.

        :param template: one of TEMPLATES.
        :param values: JSON values for the template; what is in them is sealed in the job's row, since a
            code opens an account.
        """
        if template not in TEMPLATES:
            raise ValueError(f"there is no mail template {template}")
        if not self.on or to is None or not names.is_email(to):
            return False
        if template in LIMITED and not self._count(tx, to, template):
            log.info("a mail %s to %s is one too many in an hour", template, to)
            return False
        sealed = self._box.encrypt(json.dumps(dict(values)))
        payload = {"to": to, "template": template, "sealed": sealed}
        self._jobs.add(tx, JOB, payload, max_attempts=MAXIMUM_ATTEMPTS)
        return True

    def _count(self, tx: Tx, to: str, template: str) -> bool:
        """Counts a mail; False for one too many. What a superuser or a registry has to tell is not counted,
        so that nobody can keep it from anybody."""
        mark = COUNT + self._box.lookup(f"{template}\0{to.lower()}")
        now = now_ms()
        if tx.insert_absent(Lease, name=mark, token="1", until_ms=now + _HOUR_MS):  # noqa: S106 - a count
            return True
        mine = Lease.name == mark
        for count, until in tx.lock(Lease.select(Lease.token, Lease.until_ms).where(mine)):
            if until <= now:
                tx.run(Lease.update(token="1", until_ms=now + _HOUR_MS).where(mine))  # noqa: S106
            elif int(count) >= MOST_AN_HOUR:
                return False
            else:
                tx.run(Lease.update(token=str(int(count) + 1)).where(mine))
        return True

    def deliver(self, payload: Mapping[str, Any]) -> None:
        """Sends the mail of a job. Raises Hopeless where trying again cannot help; else what smtplib
        raises, and the job is tried again."""
        outside("mail")
        message = self.compose(payload)
        if not self._options.sends:
            log.info("mail %s to %s is suppressed: TESTING is set", payload["template"], payload["to"])
            return
        try:
            self._send(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            _refused(f"the mail server refuses the recipient {payload['to']}", code, text, error)
        except smtplib.SMTPSenderRefused as error:
            _refused(
                f"the mail server refuses the sender {error.sender}", error.smtp_code, error.smtp_error, error
            )
        except smtplib.SMTPDataError as error:
            _refused("the mail server refuses the mail", error.smtp_code, error.smtp_error, error)

    def compose(self, payload: Mapping[str, Any]) -> EmailMessage:
        """The mail of a job, with its text and its HTML part. Raises Hopeless."""
        template = payload["template"]
        if template not in TEMPLATES:
            raise Hopeless(f"there is no mail template {template}")
        values = payload.get("values")
        if values is None:
            opened = self._box.decrypt(payload["sealed"])
            if opened is None:
                raise Hopeless("the mail was queued under another DATABASE_SECRET_KEY")
            values = json.loads(opened)
        given = {"title": self._options.title, "base": self._options.base}
        # The subject ends with its line, and a name is no text of the mail's own.
        given |= {key: " ".join(v.split()) if isinstance(v, str) else v for key, v in values.items()}
        text = self._templates.get_template(f"{template}.txt").render(given)
        subject, _, body = text.partition("\n")
        message = EmailMessage(policy=SMTP)
        try:
            message["From"] = Address(addr_spec=self._options.sender)
            message["To"] = Address(addr_spec=payload["to"])
            message["Subject"] = " ".join(subject.split())
        except Exception as error:
            # The address parser raises errors of many classes.
            raise Hopeless(f"not an address that mail can go to: {payload['to']}: {error}") from error
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._options.sender.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.strip() + "\n")
        html = self._templates.get_template(f"{template}.html").render(given | {"subject": subject})
        message.add_alternative(html, subtype="html")
        return message

    def reach(self) -> str:
        """Connects, encrypts and signs in as for a mail, and sends none; what the server calls itself.

        Raises what smtplib raises, and OSError."""
        outside("mail")
        with self._server() as server:
            code, _ = server.noop()
            return f"{self._options.server}:{self._options.port} answers {code}"

    def _send(self, message: EmailMessage) -> None:
        with self._server() as server:
            server.send_message(message)

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        o = self._options
        tls = o.tls or ssl.create_default_context()
        server: smtplib.SMTP
        if o.use_tls and o.port == TLS_PORT:
            server = smtplib.SMTP_SSL(o.server, o.port, timeout=TIMEOUT_S, context=tls)
        else:
            server = smtplib.SMTP(o.server, o.port, timeout=TIMEOUT_S)
        with server:
            if o.use_tls and o.port != TLS_PORT:
                server.starttls(context=tls)
            if o.username:
                server.login(o.username, o.password or "")
            yield server


def _refused(what: str, code: int, text: bytes | str, error: Exception) -> None:
    """A server's lasting no is Hopeless; for a passing one the job is tried again."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    told = f"{what}: {code} {' '.join(said.split())}"
    if 500 <= code < 600:
        raise Hopeless(told) from error
    raise smtplib.SMTPException(told) from error
