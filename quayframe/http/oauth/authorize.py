"""Where users agree: the page (or its JSON), and what its buttons do."""

from __future__ import annotations

from typing import Any

import falcon

from quayframe.errors import NotFound, NotSignedIn
from quayframe.plugin.access import PUBLIC
from quayframe.services import redirects
from quayframe.services.applications import Application
from quayframe.services.authorizing import RESPONSE_TYPES, Asked, OauthRefused, RedirectMismatch
from quayframe.services.oauth import LIFE_S
from quayframe.services.principal import Principal
from quayframe.services.scopes import ScopeUnknown

from ..api.authorizations import scope_views
from ..api.views import avatar
from ..html import POLICY
from ..render import to_json
from .parts import NO_CACHE, OauthResource, of_query, with_params


class Granting(OauthResource):
    """What the page and its button have in common: sending the user back with a code or a token."""

    def send_back(
        self,
        resp: falcon.Response,
        principal: Principal,
        found: Application,
        asked: Asked,
        state: str | None,
    ) -> None:
        self.check_writable()
        granted = self.authorizing.grant(principal, found, asked)
        pairs = [("scope", asked.scope)]
        if state is not None:
            pairs.append(("state", state))
        if asked.response_type == "code":
            self.redirect(resp, with_params(asked.redirect_uri, [*pairs, ("code", granted)]))
            return
        fragment = f"access_token={granted}&token_type=Bearer&expires_in={LIFE_S}"
        self.redirect(resp, f"{with_params(asked.redirect_uri, pairs)}#{fragment}")

    def send_error(self, resp: falcon.Response, uri: str, error: str) -> None:
        self.redirect(resp, with_params(uri, [("error", error)]))


class Authorize(Granting):
    """`GET /oauth/authorize`: asks the user, unless it has agreed to as much before."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(resp, lambda: self._authorize(req, resp))

    def _authorize(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = of_query(req)
        asked = self.asked(req, given)
        principal, _, _ = self.caller(req)
        try:
            found = self.authorizing.application(principal, asked)
        except RedirectMismatch as error:
            if not redirects.may_be_registered(error.registered):
                raise
            self.send_error(resp, error.registered, "redirect_uri_mismatch")
            return
        state = given.get("state")
        if asked.response_type not in RESPONSE_TYPES:
            self.send_error(resp, asked.redirect_uri, "unsupported_response_type")
        elif self.authorizing.is_covered(principal, found, asked.scope):
            self.send_back(resp, principal, found, asked, state)
        else:
            self._ask(req, resp, principal, found, asked, state)

    def _ask(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        principal: Principal,
        found: Application,
        asked: Asked,
        state: str | None,
    ) -> None:
        _, session = self.pages.session(req, resp)
        view = self._view(found, asked, state, session.csrf)
        if of_query(req).get("format") == "json":
            self.json(resp, view)
            return
        self.pages.render(
            resp,
            "authorize.html",
            "Authorize an application",
            app=view["application"],
            username=principal.name,
            scopes=view["scopes"],
            dangerous=view["has_dangerous_scopes"],
            target=asked.redirect_uri if asked.redirect_uri != asked.local else None,
            fields={
                "_csrf_token": session.csrf,
                "client_id": asked.client_id,
                "redirect_uri": asked.redirect_uri,
                "response_type": asked.response_type,
                "scope": asked.scope,
                "state": state,
                "assignment_uuid": asked.assignment,
            },
        )
        # The answer to the form leads on to the application: browsers hold that against the policy too.
        leads = f"form-action 'self' {redirects.target(asked.redirect_uri)}".rstrip()
        resp.set_header("Content-Security-Policy", POLICY.replace("form-action 'self'", leads))
        resp.set_header("Cache-Control", NO_CACHE)

    def _view(self, found: Application, asked: Asked, state: str | None, csrf: str) -> dict[str, Any]:
        scopes = scope_views(asked.scope)
        return {
            "scopes": scopes,
            "has_dangerous_scopes": any(scope["dangerous"] for scope in scopes),
            "application": {
                "name": found.name,
                "description": found.description,
                "url": found.application_uri,
                # Clients parse these strings.
                "avatar": self._avatar(found.name, "app", found.seed),
                "organization": {
                    "name": found.owner,
                    "avatar": self._avatar(found.owner, "org", found.owner_seed),
                },
            },
            "response_type": asked.response_type,
            "client_id": asked.client_id,
            "redirect_uri": asked.redirect_uri,
            "scope": asked.scope,
            "csrf_token_val": csrf,
            "state": state,
            "assignment_uuid": asked.assignment,
        }

    def _avatar(self, name: str, kind: str, seed: str) -> str:
        gravatar = self.registry.settings.AVATAR_KIND == "gravatar"
        return to_json(avatar(name, kind, seed, gravatar=gravatar)).decode()


class AuthorizeApp(Granting):
    """`POST /oauth/authorizeapp`: the user agrees."""

    access = {"POST": PUBLIC}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(resp, lambda: self._authorize(req, resp))

    def _authorize(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = self.pages.fields(req)
        principal, session, basic = self.caller(req)
        if principal.account_id is None:
            raise NotSignedIn()
        whitelist = self.registry.settings.DIRECT_OAUTH_CLIENTID_WHITELIST
        if not (basic and given.get("client_id") in whitelist):
            self.check_csrf(req, given, session)
        asked = self.asked(req, given)
        try:
            found = self.authorizing.application(principal, asked)
        except (RedirectMismatch, NotFound):
            raise OauthRefused("invalid_request") from None
        except ScopeUnknown:
            self.send_error(resp, asked.redirect_uri, "invalid_scope")
            return
        if asked.response_type not in RESPONSE_TYPES:
            self.send_error(resp, asked.redirect_uri, "unsupported_response_type")
            return
        self.send_back(resp, principal, found, asked, given.get("state") or None)


class DenyApp(Granting):
    """`POST /oauth/denyapp`: the user does not agree."""

    access = {"POST": PUBLIC}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(resp, lambda: self._deny(req, resp))

    def _deny(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = self.pages.fields(req)
        principal, session, _ = self.caller(req)
        if principal.account_id is None:
            raise NotSignedIn()
        self.check_csrf(req, given, session)
        asked = self.asked(req, given)
        try:
            self.authorizing.application(principal, asked)
        except (RedirectMismatch, NotFound, ScopeUnknown):
            raise OauthRefused("invalid_request") from None
        self.send_error(resp, asked.redirect_uri, "authorization_denied")


class AssignUser(OauthResource):
    """`POST /oauth/authorize/assignuser`: an organization's admin offers a user a token."""

    access = {"POST": PUBLIC}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(resp, lambda: self._assign(req, resp))

    def _assign(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not self.registry.settings.FEATURE_ASSIGN_OAUTH_TOKEN:
            raise NotFound("Not Found")
        given = of_query(req) | self.pages.fields(req)
        principal, session, _ = self.caller(req)
        if principal.account_id is None:
            raise NotSignedIn()
        self.check_csrf(req, given, session)
        asked = self.asked(req, given)
        self.check_writable()
        try:
            self.authorizing.assign(principal, asked, given.get("username", ""))
        except RedirectMismatch:
            raise OauthRefused("redirect_uri_mismatch") from None
        done = "Token assigned successfully"
        if given.get("format") == "json":
            self.json(resp, {"message": done})
        else:
            self.pages.message(resp, "Assign a token", f"{done}.")
            resp.set_header("Cache-Control", NO_CACHE)
