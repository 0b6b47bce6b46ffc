"""A registry in this process and its API as tests speak it: sessions, tokens, nobody."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import falcon.testing
from protocol import HOST, Protocol

from quayframe.data.tables import Token
from quayframe.services.clock import now_ms
from quayframe.services.crypto import new_token
from quayframe.services.principal import SYSTEM
from quayframe.services.sessions import Session

PASSWORD = "correct-horse"
Result = falcon.testing.Result


class Caller:
    """Somebody who calls the API. `v1` is put before paths that do not begin with /."""

    def __init__(self, app: Any, headers: Mapping[str, str] | None = None, *, session: bool = False) -> None:
        self.headers = dict(headers or {})
        self._client = falcon.testing.TestClient(app, headers={"Host": HOST, **self.headers})
        self._session = session
        self.csrf: str | None = None
        self.cookie: str | None = None

    def do(self, method: str, path: str, body: Any = None, **options: Any) -> Result:
        """`body` is sent as JSON, `raw` (a text or bytes) as it is."""
        headers = dict(options.pop("headers", {}))
        if self._session and self.cookie:
            headers["Cookie"] = self.cookie
        if self._session and method not in ("GET", "HEAD", "OPTIONS"):
            headers.setdefault("X-CSRF-Token", self.csrf or "")
        raw = options.pop("raw", None)
        if body is not None or raw is not None:
            options["body"] = json.dumps(body) if raw is None else raw
            headers.setdefault("Content-Type", "application/json")
        url = path if path.startswith("/") else f"/api/v1/{path}"
        result = self._client.simulate_request(method, url, headers=headers, **options)
        if self._session:
            self._keep(result)
        return result

    def get(self, path: str, **options: Any) -> Result:
        return self.do("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Result:
        return self.do("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Result:
        return self.do("PUT", path, body, **options)

    def delete(self, path: str, **options: Any) -> Result:
        return self.do("DELETE", path, **options)

    def _keep(self, result: Result) -> None:
        for name, value in result.cookies.items():
            self.cookie = f"{name}={value.value}"
        if fresh := result.headers.get("x-next-csrf-token"):
            self.csrf = fresh


class ApiWorld:
    """A registry with the superuser `admin`, and callers of its API."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.registry = protocol.registry
        self.app = protocol.app
        self._users: dict[str, Caller] = {}

    @property
    def anonymous(self) -> Caller:
        """Nobody, with a session of nobody: a change by it brings a CSRF token."""
        return self._holding(self.registry.tenancy.sessions.begin())

    @property
    def bare(self) -> Caller:
        """A program without cookie or token."""
        return Caller(self.app)

    @property
    def admin(self) -> Caller:
        """The superuser's session."""
        return self.user("admin")

    def user(self, name: str, email: str | None = None) -> Caller:
        """The session of a user, made where there is none yet."""
        if name not in self._users:
            if self.registry.accounts.find(name) is None:
                self.registry.accounts.create_user(SYSTEM, name, PASSWORD, email or f"{name}@example.com")
            self._users[name] = self.session(name)
        return self._users[name]

    def session(self, name: str) -> Caller:
        """Another session of a user who is there."""
        return self._holding(self.registry.tenancy.sessions.begin(self.registry.accounts.get(name)))

    def _holding(self, begun: Session) -> Caller:
        sessions = self.registry.tenancy.sessions
        caller = Caller(self.app, session=True)
        cookie = self.registry.settings.SESSION_COOKIE_NAME
        caller.cookie, caller.csrf = f"{cookie}={sessions.seal(begun)}", begun.csrf
        return caller

    def oauth(self, name: str, scope: str) -> Caller:
        """A token of this scope that acts in the user's name."""
        self.user(name)
        token = new_token(40)
        account = self.registry.accounts.get(name)
        box = self.registry.tenancy.ground.box
        self.registry.db.write(
            lambda tx: tx.insert(
                Token,
                uuid=str(uuid.uuid4()),
                kind="oauth",
                account=account.id,
                title="test",
                scope=scope,
                lookup=box.lookup(token),
                created_ms=now_ms(),
                expires_ms=now_ms() + 3_600_000,
            )
        )
        return self.bearer(token)

    def bearer(self, token: str) -> Caller:
        return Caller(self.app, {"Authorization": f"Bearer {token}"})


ApiMaker = Callable[..., ApiWorld]
