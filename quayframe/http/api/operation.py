"""An operation of the API: what it is called, needs, takes and answers, and how it is run.

A resource has one method per HTTP method, with its declaration as decorator. From these declarations come
the routes, the check of access, the reading of query and body, and the published description.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import falcon

from quayframe.errors import InvalidRequest
from quayframe.registry import Registry
from quayframe.services.access import NamespaceRow, RepositoryRow
from quayframe.services.accounts import Account
from quayframe.services.principal import Principal
from quayframe.services.sessions import Session

from ..render import JSON, to_json
from . import validation
from .needs import Need
from .validation import BadParameter, Body, Query

if TYPE_CHECKING:
    from .frame import Api

F = TypeVar("F", bound=Callable[..., Any])
METHODS = ("get", "put", "post", "delete")
DRY_RUN_VALUES = ("1", "true", "0", "false")


@dataclass(frozen=True)
class Operation:
    """What is known of an operation without running it; the fields are those of `operation`."""

    ident: str
    tag: str
    need: Need
    scopes: tuple[str, ...]
    query: type[Query] | None
    body: Any
    body_optional: bool
    answer: Any
    status: int
    internal: bool
    feature: str | None
    fresh: bool
    dry_run: bool
    csrf: bool
    also: tuple[int, ...]
    media: tuple[str, ...]
    summary: str


def operation(
    ident: str,
    tag: str,
    need: Need,
    *,
    scopes: tuple[str, ...] = (),
    query: type[Query] | None = None,
    body: Any = None,
    body_optional: bool = False,
    answer: Any = None,
    status: int = 200,
    internal: bool = False,
    feature: str | None = None,
    fresh: bool = False,
    dry_run: bool = True,
    csrf: bool = True,
    also: tuple[int, ...] = (),
    media: tuple[str, ...] = (),
    summary: str = "",
) -> Callable[[F], F]:
    """Declares a method of a resource.

    :param ident: the operation's id in the description.
    :param scopes: the OAuth scopes that the description names; the need is what is checked.
    :param body: a Body, or any type that pydantic can check (a list of them).
    :param answer: the type of what is returned, also by a Reply; None where the answer has no body.
    :param status: of success.
    :param internal: left out of the description unless it is asked for.
    :param feature: the key of config.yaml without which the path is not there.
    :param fresh: a session must have shown its password within FRESH_LOGIN_TIMEOUT.
    :param dry_run: False for what changes the caller's own session.
    :param csrf: False where nobody's session can be meant.
    :param also: statuses beside `status` and the faults that every operation of its kind can have.
    :param media: the content types of an answer that is `bytes`.
    """

    def declare(method: F) -> F:
        text = summary or (method.__doc__ or "").strip().partition("\n")[0]
        made = Operation(
            ident, tag, need, scopes, query, body, body_optional, answer, status, internal, feature, fresh,
            dry_run, csrf, also, media, text,
        )  # fmt: skip
        vars(method)["operation"] = made
        return method

    return declare


@dataclass(frozen=True)
class Reply:
    """An answer that is not simply the value with the operation's status."""

    value: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    """With it `value` is bytes."""


@dataclass
class Call:
    """One request to an operation. `repository` and `namespace` are set by needs that look them up."""

    api: Api
    operation: Operation
    req: falcon.Request
    resp: falcon.Response
    principal: Principal
    session: Session | None
    params: dict[str, str]
    body: Any = None
    query: Any = None
    found_repository: RepositoryRow | None = None
    found_namespace: NamespaceRow | None = None

    @property
    def registry(self) -> Registry:
        return self.api.registry

    @property
    def repository(self) -> RepositoryRow:
        assert self.found_repository is not None
        return self.found_repository

    @property
    def namespace(self) -> NamespaceRow:
        assert self.found_namespace is not None
        return self.found_namespace

    @property
    def base_url(self) -> str:
        """`scheme://host`, without a slash at the end."""
        return self.api.callers.base_url(self.req)

    @property
    def ip(self) -> str:
        return self.api.callers.ip(self.req)

    def page(self, state: dict[str, Any]) -> str:
        """The `next_page` that leads back here with this state (JSON values), for this caller alone."""
        return self.api.pages.seal(self._page_of(), state)

    def page_state(self) -> dict[str, Any] | None:
        """The state of the request's `next_page`; None for a first page. Raises InvalidRequest."""
        token = self.req.get_param("next_page")
        return None if not token else self.api.pages.open(self._page_of(), token)

    def _page_of(self) -> list[Any]:
        return [self.operation.ident, self.principal.account_id, sorted(self.params.items())]

    # -- the caller's own session ---------------------------------------------------------------

    def sign_in(self, account: Account) -> None:
        """The answer signs the caller in, with a new session and a new CSRF token; a dry run does not."""
        if self.registry.db.rehearsed() is not None:
            return
        if self.session is not None and self.session.account is not None:
            self.registry.tenancy.sessions.end(self.session)
        self.session = self.req.context.keep = self.registry.tenancy.sessions.begin(account)
        self.resp.set_header("X-Next-CSRF-Token", self.session.csrf)

    def sign_out(self) -> None:
        """The answer leaves the caller with a session of nobody; a dry run does not."""
        if self.registry.db.rehearsed() is not None:
            return
        if self.session is not None:
            self.registry.tenancy.sessions.end(self.session)
        self.session = self.req.context.keep = self.registry.tenancy.sessions.begin()

    def renew_session(self) -> None:
        """The caller has shown its password again: a new CSRF token, and a fresh log-in."""
        account = self.registry.accounts.find(self.principal.name)
        if account is not None and self.session is not None:
            self.sign_in(account)


class Resource:
    """The base of the API's resources: from declared methods to Falcon's responders."""

    path: ClassVar[str]

    def __init__(self, api: Api) -> None:
        self.api = api
        self.operations: dict[str, Operation] = {}
        self.access: dict[str, Need] = {}
        for name in METHODS:
            method = getattr(self, name, None)
            if method is None:
                continue
            declared: Operation = method.operation
            verbs = (name, "head") if name == "get" else (name,)
            for verb in verbs:
                self.operations[verb.upper()] = declared
                self.access[verb.upper()] = declared.need
                setattr(self, f"on_{verb}", partial(self._respond, method))

    def _respond(self, method: Any, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        call: Call = req.context.call
        declared = call.operation
        if declared.query is not None:
            call.query = validation.read_query(declared.query, req)
        if declared.body is not None:
            call.body = validation.read_body(declared.body, req, optional=declared.body_optional)
        if req.method in ("GET", "HEAD") or not asks_dry_run(req):
            _render(resp, declared, method(call, **params))
            return
        if not declared.dry_run:
            raise InvalidRequest("this operation acts on the caller's own session and has no dry run")
        with self.api.registry.db.rehearsal() as noted:
            method(call, **params)
            events = [_event(event) for event in noted]
        resp.content_type = JSON
        resp.data = to_json({"dry_run": True, "events": events})


def asks_dry_run(req: falcon.Request) -> bool:
    """Raises Refused for a value that is none: whoever mistypes it does not want the real thing."""
    given = req.get_param("dry_run")
    if given is not None and given not in DRY_RUN_VALUES:
        raise BadParameter("dry_run", f"one of {', '.join(DRY_RUN_VALUES)}")
    return given in ("1", "true")


def _event(event: Any) -> dict[str, Any]:
    """An event as the dry run shows it. Events hold no secrets; a field that looks like one is masked."""
    values = dataclasses.asdict(event)
    base = {name: values.pop(name) for name in ("namespace", "repository", "performer")}
    masked = {
        name: "********" if any(word in name for word in ("secret", "password", "code")) else value
        for name, value in values.items()
        if name != "ip"
    }
    return {"kind": event.kind, **base, "metadata": masked}


def _render(resp: falcon.Response, declared: Operation, value: Any) -> None:
    reply = value if isinstance(value, Reply) else Reply(value)
    resp.status = reply.status or declared.status
    for name, text in reply.headers.items():
        resp.set_header(name, text)
    if reply.content_type is not None:
        resp.content_type = reply.content_type
        resp.data = reply.value
    elif declared.answer is None and reply.value is None:
        resp.data = b"" if resp.status_code != 204 else None
        resp.content_type = None
    else:
        resp.content_type = JSON
        resp.data = to_json(reply.value)


__all__ = ["Body", "Call", "Operation", "Query", "Reply", "Resource", "operation"]
