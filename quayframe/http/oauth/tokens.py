"""Codes become tokens here, and a token that was generated for oneself is shown."""

from __future__ import annotations

import secrets

import falcon

from quayframe.plugin.access import PUBLIC
from quayframe.services.authorizing import OauthRefused
from quayframe.services.oauth import LIFE_S

from ..html import POLICY
from .parts import NO_CACHE, Missing, OauthResource, of_query


class AccessToken(OauthResource):
    """`POST /oauth/access_token`: an application shows its secret and a code."""

    access = {"POST": PUBLIC}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.answer(resp, lambda: self._exchange(req, resp))
        resp.set_header("Cache-Control", NO_CACHE)

    def _exchange(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = of_query(req) | self.pages.fields(req)
        for name in ("grant_type", "client_id", "redirect_uri", "code", "scope"):
            if not given.get(name):
                raise Missing(name)
        if given["grant_type"] != "authorization_code":
            raise OauthRefused("unsupported_grant_type")
        self.check_writable()
        asked = self.asked(req, given)
        made = self.authorizing.exchange(asked, _secret(req, given), given["code"])
        self.json(
            resp,
            {
                "access_token": made.token,
                "token_type": "Bearer",
                "expires_in": LIFE_S,
                "refresh_token": None,
            },
        )


def _secret(req: falcon.Request, given: dict[str, str]) -> str:
    """The client's secret, from the parameters or its Basic header. Raises OauthRefused."""
    if given.get("client_secret"):
        return given["client_secret"]
    try:
        from authlib.oauth2.rfc6749.util import extract_basic_authorization

        name, secret = extract_basic_authorization({"Authorization": req.get_header("Authorization") or ""})
    except ValueError:
        name = secret = None
    if name != given["client_id"] or not secret:
        raise OauthRefused("invalid_client")
    return str(secret)


class LocalApp(OauthResource):
    """The page at LOCAL_OAUTH_HANDLER: shows the token that its address brings behind the #, which no
    server ever sees."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        nonce = secrets.token_urlsafe(18)
        fault = "No token was generated." if req.get_param("error") else None
        self.pages.render(resp, "localapp.html", "Your token", nonce=nonce, fault=fault)
        policy = POLICY.replace("form-action 'self'", f"script-src 'nonce-{nonce}'; form-action 'none'")
        resp.set_header("Content-Security-Policy", policy)
