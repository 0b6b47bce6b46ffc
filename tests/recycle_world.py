"""An organization that is deleted and brought back over the API, and the ways into it."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import requests
from api_client import ApiWorld, Caller, Result
from protocol import HOST, Protocol, Repo

from quayframe.services.principal import Principal

SCOPE = "repository:acme/app:push,pull"


def log_in(protocol: Protocol, name: str, token: str, *scopes: str) -> requests.Response:
    """Asks the token service for these scopes."""
    header = base64.b64encode(f"{name}:{token}".encode()).decode()
    query: list[tuple[str, str]] = [("service", HOST), *(("scope", scope) for scope in scopes)]
    url = f"http://{HOST}/v2/auth"
    return protocol.session().get(url, params=query, headers={"Authorization": f"Basic {header}"})


def actions(answer: requests.Response) -> list[list[str]]:
    """What the token service granted, scope by scope."""
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return [entry["actions"] for entry in told["access"]]


class Bin:
    """The organization `acme` of `owner`, with the private repository `app` and the public one `open`, a
    robot, an application; `dev` has a role on `app`."""

    def __init__(self, api: ApiWorld) -> None:
        self.api, self.protocol, self.registry = api, api.protocol, api.registry
        self.owner, self.dev = api.user("owner"), api.user("dev")
        self.owner.post("organization/", {"name": "acme"})
        self.robot = self.owner.put("organization/acme/robots/bot").json["token"]
        for name in ("app", "open"):
            self.push(name)
        self.blob = self.repo("app").blob()[0]
        self.owner.post("repository/acme/open/changevisibility", {"visibility": "public"})
        self.put("repository/acme/app/permissions/user/dev", role="write")
        self.put("repository/acme/app/permissions/user/acme+bot", role="write")
        said = {"name": "ci", "scope": "repo:admin org:admin user:read"}
        application = self.owner.post("organization/acme/applications", {"name": "scripts"}).json
        self.client_id = str(application["client_id"])
        path = f"organization/acme/applications/{self.client_id}/tokens"
        self.token = str(self.owner.post(path, said).json["token"])

    def put(self, path: str, **body: str) -> None:
        assert self.owner.put(path, body).status_code == 200

    def principal(self, name: str) -> Principal:
        return self.registry.accounts.principal(self.registry.accounts.get(name))

    def repo(self, name: str, who: str = "owner") -> Repo:
        """Over a token that is made now."""
        session = self.protocol.as_(self.principal(who), f"repository:acme/{name}:push,pull")
        return Repo(session, f"acme/{name}", f"http://{HOST}", self.principal(who))

    def push(self, name: str) -> str:
        return self.repo(name).image("v1")[0]

    # -- deleting and bringing back ---------------------------------------------------------------

    def delete(self) -> str:
        assert self.owner.delete("organization/acme").status_code == 204
        (found,) = self.owner.get("recyclebin/organizations").json["organizations"]
        return str(found["uuid"])

    def delete_app(self) -> str:
        assert self.owner.delete("repository/acme/app").status_code == 204
        params = {"namespace": "acme"}
        found = self.owner.get("recyclebin/repositories", params=params).json["repositories"]
        return str(found[0]["uuid"])

    def undelete(self, kind: str, ident: str, who: Caller | None = None, **query: str) -> Result:
        return (who or self.owner).post(f"recyclebin/{kind}/{ident}/undelete", params=query)
