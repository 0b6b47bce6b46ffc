"""The pages to which mails lead: an address confirmed, an account recovered, a team joined."""

from __future__ import annotations

from collections.abc import Callable

import falcon

from quayframe.errors import CsrfInvalid, NotFound, RegistryError, Unauthorized
from quayframe.plugin.access import PUBLIC
from quayframe.services.confirmations import CHANGE, CodeInvalid
from quayframe.services.principal import Principal

from .api.frame import ReadOnlyRegistry
from .html import Pages

STALE = "This page is too old, or your browser keeps no cookies. Open the link of the mail once more."


class _Page:
    """What the pages share: an error is a page too, and a registry without mail has none of them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._registry = pages.registry

    def _answer(self, resp: falcon.Response, heading: str, act: Callable[[], None]) -> None:
        if not self._registry.settings.FEATURE_MAILING:
            raise NotFound()
        try:
            act()
        except RegistryError as error:
            text = STALE if isinstance(error, CsrfInvalid) else error.text
            self._pages.message(resp, heading, text, status=error.status)
            for name, value in error.headers.items():
                resp.set_header(name, value)

    def _check_writable(self) -> None:
        if self._registry.settings.REGISTRY_STATE == "readonly":
            raise ReadOnlyRegistry()


class Confirm(_Page):
    """`/confirm?code=`: the link of a mail confirms the address to which it was sent."""

    access = {"GET": PUBLIC}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._answer(resp, "The address is not confirmed", lambda: self._confirm(req, resp))

    def _confirm(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._check_writable()
        code = req.get_param("code", default="")
        done = self._registry.tenancy.confirmations.confirm(code, self._pages.callers.ip(req))
        if done.kind == CHANGE:
            text = f"{done.email} is the address of the account {done.username} from now on."
        else:
            text = f"The address of the account {done.username} is confirmed. You can sign in now."
        self._pages.message(resp, "Address confirmed", text)


class Recover(_Page):
    """`/recovery?code=`: the link of a mail leads to a form for a new password, which signs in."""

    access = {"GET": PUBLIC, "POST": PUBLIC}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        code = req.get_param("code", default="")
        self._answer(resp, "The link cannot be used", lambda: self._form(req, resp, code))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._answer(resp, "The password is not changed", lambda: self._recover(req, resp))

    def _form(self, req: falcon.Request, resp: falcon.Response, code: str, fault: str | None = None) -> None:
        username = self._registry.tenancy.confirmations.recoverable(code)
        if username is None:
            raise CodeInvalid()
        _, session = self._pages.session(req, resp)
        self._pages.render(
            resp,
            "recovery.html",
            "Recover your account",
            status=400 if fault else 200,
            fault=fault,
            username=username,
            code=code,
            csrf=session.csrf,
        )

    def _recover(self, req: falcon.Request, resp: falcon.Response) -> None:
        fields = self._pages.form(req)
        self._check_writable()
        code, password = fields.get("code", ""), fields.get("password", "")
        if password != fields.get("again", ""):
            self._form(req, resp, code, "The two passwords are not the same.")
            return
        try:
            account = self._registry.tenancy.confirmations.recover(
                code, password, self._pages.callers.ip(req)
            )
        except CodeInvalid:
            raise
        except RegistryError as error:
            self._form(req, resp, code, error.text)
            return
        sessions = self._registry.tenancy.sessions
        _, before = self._pages.identities.of(req)
        if before is not None:
            sessions.end(before)
        self._pages.keep(resp, sessions.begin(account))
        text = f"You are signed in as {account.name}. All other sessions of the account have ended."
        self._pages.message(resp, "Password changed", text)


class ConfirmInvite(_Page):
    """`/confirminvite?code=`: the link of an invitation leads to a form that joins the team."""

    access = {"GET": PUBLIC, "POST": PUBLIC}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        code = req.get_param("code", default="")
        self._answer(resp, "The link cannot be used", lambda: self._form(req, resp, code))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._answer(resp, "The team is not joined", lambda: self._join(req, resp))

    def _form(self, req: falcon.Request, resp: falcon.Response, code: str, fault: str | None = None) -> None:
        principal, session = self._pages.session(req, resp)
        self._pages.render(
            resp,
            "invite.html",
            "Join a team",
            status=403 if fault else 200,
            fault=fault,
            username=principal.name if principal.via == "session" else None,
            code=code,
            csrf=session.csrf,
        )

    def _join(self, req: falcon.Request, resp: falcon.Response) -> None:
        fields = self._pages.form(req)
        self._check_writable()
        code = fields.get("code", "")
        principal, session = self._pages.session(req, resp)
        if principal.via != "session":
            try:
                principal = self._sign_in(req, resp, fields)
            except Unauthorized as error:
                self._form(req, resp, code, error.text)
                return
            self._registry.tenancy.sessions.end(session)
        organization, team = self._registry.tenancy.invites.accept(principal, code)
        text = f"{principal.name} is a member of the team {team} of {organization} now."
        self._pages.message(resp, "Team joined", text)

    def _sign_in(self, req: falcon.Request, resp: falcon.Response, fields: dict[str, str]) -> Principal:
        """Raises Unauthorized, TooManyRequests."""
        registry, ip = self._registry, self._pages.callers.ip(req)
        if not registry.settings.FEATURE_DIRECT_LOGIN:
            raise Unauthorized("Sign in first, then open the link of the mail once more.")
        account = registry.logins.sign_in(fields.get("username", ""), fields.get("password", ""), ip)
        principal = registry.accounts.principal(account, ip, via="session")
        self._pages.keep(resp, registry.tenancy.sessions.begin(account))
        registry.logins.logged_in(principal)
        return principal
