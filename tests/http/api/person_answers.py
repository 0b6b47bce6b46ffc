"""What answers of the API say, and what was recorded."""

from __future__ import annotations

from api_client import PASSWORD, ApiWorld, Caller, Result

from quayframe.data.tables import EventRow, LoginFailure
from quayframe.services.clock import now_ms


def typed(result: Result, status: int = 400, kind: str = "invalid_request") -> str:
    """The text of a typed error."""
    assert (result.status_code, result.json["error_type"]) == (status, kind)
    return str(result.json["detail"])


def plain(result: Result, status: int = 400) -> str:
    """The text of a plain error."""
    assert (result.status_code, set(result.json)) == (status, {"message"})
    return str(result.json["message"])


def kinds(api: ApiWorld) -> list[str]:
    rows = api.registry.db.rows(EventRow.select(EventRow.kind).order_by(EventRow.id))
    return [kind for (kind,) in rows]


def is_signed_in(caller: Caller) -> bool:
    return caller.get("user/").status_code == 200


def make_failures_weigh(api: ApiWorld) -> None:
    """As if each wrong password so far had been the tenth: the wait outlasts any test."""
    api.registry.db.write(lambda tx: tx.run(LoginFailure.update(failures=10)))


def forget_failures(api: ApiWorld) -> None:
    """As if the wait after the wrong passwords so far were over."""
    before = now_ms() - 10 * 60_000
    api.registry.db.write(lambda tx: tx.run(LoginFailure.update(last_ms=before)))


def visitor(api: ApiWorld) -> Caller:
    """A browser that has fetched its CSRF token."""
    caller = Caller(api.app, session=True)
    caller.csrf = caller.get("/csrf_token").json["csrf_token"]
    return caller


def sign_in(caller: Caller, username: str = "alice", password: str = PASSWORD) -> Result:
    return caller.post("signin", {"username": username, "password": password})
