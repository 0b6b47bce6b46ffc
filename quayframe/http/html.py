"""Pages that the server renders: nothing of them comes from elsewhere, and no script runs in them."""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import falcon
from markupsafe import Markup

from quayframe.errors import CsrfInvalid, InvalidRequest, LayerTooLarge, MediaTypeUnsupported
from quayframe.registry import Registry
from quayframe.services.crypto import same
from quayframe.services.principal import Principal
from quayframe.services.sessions import Session

from .api.identity import Identities
from .body import RequestBody
from .request import Callers

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE = (
    "body{font-family:system-ui,sans-serif;line-height:1.5;color:#1c2430;background:#f4f6f8;margin:0}"
    "main{max-width:30rem;margin:4rem auto;padding:2rem;background:#fff;border:1px solid #d8dee6;"
    "border-radius:8px}h1{font-size:1.4rem;margin:0 0 1rem}.registry{color:#5a6675;margin:0}"
    "label{display:block;margin:1rem 0 .25rem}input{box-sizing:border-box;width:100%;padding:.5rem;"
    "font:inherit;border:1px solid #8a96a5;border-radius:4px}button{margin-top:1.5rem;padding:.5rem 1rem;"
    "font:inherit;color:#fff;background:#1f5fbf;border:0;border-radius:4px}"
    ".fault{padding:.5rem 1rem;color:#7d1a1a;background:#fdeaea;border-radius:4px}"
)
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
MOST_BYTES = 64 * 1024
MOST_FIELDS = 50


class FormTooLarge(LayerTooLarge):
    code = "INVALID_REQUEST"
    message = f"a form has at most {MOST_BYTES} bytes"


class Pages:
    """Renders templates, reads forms, knows the browser's session."""

    def __init__(self, registry: Registry, callers: Callers) -> None:
        self.registry = registry
        self.callers = callers
        self.identities = Identities(registry, callers)

    @cached_property
    def _templates(self) -> Environment:
        # Most processes never show a page.
        from jinja2 import Environment, PackageLoader, StrictUndefined

        return Environment(
            loader=PackageLoader("quayframe.http", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(
        self, resp: falcon.Response, template: str, heading: str, *, status: int = 200, **values: Any
    ) -> None:
        """The page of a template, which is given `heading`, `fault` (a text or None) and `values`."""
        given = {
            "title": self.registry.settings.REGISTRY_TITLE,
            "style": Markup(STYLE),  # noqa: S704 - a constant of this module
            "heading": heading,
            "fault": None,
        }
        resp.status = status
        resp.content_type = "text/html; charset=utf-8"
        resp.text = self._templates.get_template(template).render(given | values)
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("X-Frame-Options", "DENY")
        resp.set_header("X-Content-Type-Options", "nosniff")
        # The address may have a code in it, and what is shown is one person's.
        resp.set_header("Referrer-Policy", "no-referrer")
        resp.set_header("Cache-Control", "no-store")

    def message(self, resp: falcon.Response, heading: str, *lines: str, status: int = 200) -> None:
        self.render(resp, "message.html", heading, status=status, lines=lines)

    def session(self, req: falcon.Request, resp: falcon.Response) -> tuple[Principal, Session]:
        """Who looks at the page, and the session; one of nobody begins where there is none."""
        principal, session = self.identities.of(req)
        if session is None:
            session = self.registry.tenancy.sessions.begin()
            self.keep(resp, session)
        return principal, session

    def keep(self, resp: falcon.Response, session: Session) -> None:
        """The browser keeps this session from now on."""
        resp.append_header("Set-Cookie", self.identities.cookie(session))

    def form(self, req: falcon.Request) -> dict[str, str]:
        """The fields of a form that this session's page sent. Raises CsrfInvalid, and as `fields`."""
        fields = self.fields(req)
        _, session = self.identities.of(req)
        if session is None or not same(session.csrf, fields.get("_csrf_token", "")):
            raise CsrfInvalid()
        return fields

    def fields(self, req: falcon.Request) -> dict[str, str]:
        """The fields of a form, whoever sent it.

        Raises MediaTypeUnsupported, FormTooLarge, InvalidRequest."""
        media = str(req.content_type or "").partition(";")[0].strip().lower()
        body = RequestBody(req.env, limit=MOST_BYTES, too_large=FormTooLarge)
        try:
            raw = b""
            while data := body.read(MOST_BYTES):
                raw += data
        finally:
            body.close()
        if raw and media != "application/x-www-form-urlencoded":
            raise MediaTypeUnsupported("a form is application/x-www-form-urlencoded")
        try:
            fields = dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            raise InvalidRequest("the form cannot be read") from None
        if any("\0" in text for text in fields.values()):
            raise InvalidRequest("a NUL character has no place in a form")
        return fields
