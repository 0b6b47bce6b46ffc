"""An organization, its admin and its application, and requests to the provider as clients make them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from api_client import PASSWORD, ApiWorld, Caller, Result
from protocol import HOST

CALLBACK = "https://app.example.com/cb"
LOCAL = f"http://{HOST}/oauth/localapp"


class OauthWorld:
    """The admin `owner` of the organization `acme`, whose application is `app`."""

    def __init__(self, api: ApiWorld, redirect_uri: str = CALLBACK) -> None:
        self.api = api
        self.owner = api.user("owner")
        assert self.owner.post("organization/", {"name": "acme"}).status_code == 201
        said = {
            "name": "my <app>",
            "redirect_uri": redirect_uri,
            "application_uri": "https://app.example.com",
        }
        made = self.owner.post("organization/acme/applications", said)
        assert made.status_code == 200, made.json
        self.app: dict[str, Any] = made.json

    def query(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization; None leaves one out."""
        given: dict[str, str | None] = {
            "client_id": self.app["client_id"],
            "redirect_uri": CALLBACK,
            "scope": "repo:read",
        }
        return {name: value for name, value in (given | changes).items() if value is not None}

    def authorize(
        self, caller: Caller | None = None, *, headers: Mapping[str, str] | None = None, **changes: str | None
    ) -> Result:
        params = self.query(**changes)
        return (caller or self.owner).get("/oauth/authorize", params=params, headers=dict(headers or {}))

    def send(
        self,
        path: str,
        caller: Caller | None = None,
        *,
        headers: Any = None,
        csrf: bool = True,
        **fields: Any,
    ) -> Result:
        """POSTs a form as the page does."""
        who = caller or self.owner
        form = self.query(**fields)
        if csrf and who.csrf:
            form["_csrf_token"] = who.csrf
        sent = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": ""} | dict(headers or {})
        return who.do("POST", path, body=None, raw=urlencode(form), headers=sent)

    def agree(self, caller: Caller | None = None, **fields: Any) -> Result:
        return self.send("/oauth/authorizeapp", caller, **fields)

    def code(self, **fields: Any) -> str:
        """A code that the owner has just been given."""
        answer = self.agree(**fields)
        assert answer.status_code == 302, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def exchange(self, code: str, **changes: str | None) -> Result:
        given = self.query(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "client_secret": self.app["client_secret"],
                **changes,
            }
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.api.bare.do("POST", "/oauth/access_token", raw=urlencode(given), headers=headers)


def basic(username: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def parts(answer: Result) -> tuple[str, list[tuple[str, str]], list[tuple[str, str]]]:
    """A redirect's (address, query, fragment)."""
    assert answer.status_code == 302, (answer.status_code, answer.text)
    url = urlsplit(answer.headers["location"])
    return f"{url.scheme}://{url.netloc}{url.path}", parse_qsl(url.query), parse_qsl(url.fragment)
