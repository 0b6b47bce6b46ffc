"""The mails that a registry has queued, without a mail server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

from quayframe.data.tables import Job
from quayframe.registry import Registry


@dataclass(frozen=True)
class Queued:
    """A mail that waits to be sent."""

    to: str
    template: str
    subject: str
    text: str
    html: str

    @property
    def code(self) -> str:
        """The code in the mail's link."""
        found = re.search(r"\?code=(\S+)", self.text)
        assert found is not None, self.text
        return unquote(found[1])


def queued(registry: Registry) -> list[Queued]:
    """All mails that wait, the oldest first."""
    rows = registry.db.rows(Job.select(Job.payload).where(Job.kind == "mail").order_by(Job.id))
    found = []
    for (payload,) in rows:
        job = json.loads(payload)
        message = registry.tenancy.mail.compose(job)
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        subject = str(message["Subject"])
        found.append(
            Queued(str(message["To"]), job["template"], subject, text.get_content(), html.get_content())
        )
    return found


def last(registry: Registry) -> Queued:
    return queued(registry)[-1]
