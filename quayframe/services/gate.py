"""The decision on one request of the protocol: the token against the present state of the database.

The account's enabled flag and epoch, the repository's uuid and visibility come with the row that the
request reads anyway, so a decision costs no query of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quayframe.data.db import Database
from quayframe.errors import (
    NamespaceDisabled,
    NameUnknown,
    PushesDisabled,
    ReadOnly,
    Unauthorized,
    Unsupported,
)
from quayframe.oci.names import RepositoryName

from .clock import now_ms
from .principal import ANONYMOUS, Principal
from .tokens import BearerToken, Grant

WIDTH = 12
"""Columns of a question's row that decisions read; its own follow."""
_COLUMNS = (
    "a.auth_epoch, a.deleted_ms, n.id, n.enabled, r.id, r.uuid, r.visibility, r.state, r.kind, r.creator_id,"
    " r.created_ms"
)
# Of a bearer token that was got with a token of the account or the repository: both have to be there still,
# and so has the owner of the application for which that token was made.
_ENABLED = "CASE WHEN k.id IS NULL THEN 0 ELSE COALESCE(a.enabled, 1) END"
_SHOWN = (
    " LEFT JOIN token k ON k.uuid = ? AND (k.expires_ms IS NULL OR k.expires_ms > ?)"
    " AND (k.application_id IS NULL OR EXISTS (SELECT 1 FROM oauth_application o JOIN account g"
    " ON g.id = o.organization_id WHERE o.id = k.application_id AND g.deleted_ms IS NULL AND g.enabled = 1))"
)


class Question:
    """A query of one row at the least, whether or not account, namespace and repository exist.

    :param more: further columns, each after a comma.
    :param rest: further joins.
    """

    def __init__(self, more: str = "", rest: str = "") -> None:
        self.plain = self._sql("a.enabled", "", more, rest)
        self.of_token = self._sql(_ENABLED, _SHOWN, more, rest)

    @staticmethod
    def _sql(enabled: str, shown: str, more: str, rest: str) -> str:
        return (
            f"SELECT {enabled}, {_COLUMNS}{more}"
            " FROM (SELECT 1 AS one) x LEFT JOIN account a ON a.uuid = ?"
            f"{shown} LEFT JOIN account n ON n.name = ? AND n.deleted_ms IS NULL"
            f" LEFT JOIN repository r ON r.namespace_id = n.id AND r.name = ? AND r.deleted_ms IS NULL{rest}"
        )


_PLAIN = Question()
_NOWHERE = RepositoryName("", "")

_NEEDS = {"pull": "pull", "push": "push", "delete": "push", "admin": "*"}


@dataclass(frozen=True)
class Allowed:
    """A request that may go on. `repository_id` is None only where push may create the repository."""

    principal: Principal
    name: RepositoryName
    namespace_id: int | None
    repository_id: int | None


@dataclass(frozen=True)
class Rules:
    """What the operator set that decisions depend on."""

    anonymous: bool = True
    readonly: bool = False
    """REGISTRY_STATE readonly: nothing can be written."""
    pushes: bool = True
    """False with DISABLE_PUSHES."""


class Gate:
    """Decides on requests to the protocol."""

    def __init__(self, db: Database, rules: Rules) -> None:
        self._db = db
        self._rules = rules

    def ask(
        self, question: Question, token: BearerToken | None, name: RepositoryName
    ) -> tuple[str, tuple[Any, ...]]:
        """The question's SQL for this token, and its parameters before those of `rest`."""
        if token is None:
            return question.plain, ("", name.namespace, name.name)
        uuid, shown = token.principal.uuid or "", token.principal.token
        if shown is None:
            return question.plain, (uuid, name.namespace, name.name)
        return question.of_token, (uuid, shown, now_ms(), name.namespace, name.name)

    def is_current(self, token: BearerToken) -> bool:
        """Whether the account, and the token that was shown, are still what they were: for what names
        no repository."""
        principal = token.principal
        if principal.account_id is None and principal.token is None:
            return True
        sql, params = self.ask(_PLAIN, token, _NOWHERE)
        row = self._db.sql_one(sql, params)
        assert row is not None
        return not _is_over(row, principal)

    def pass_(self, token: BearerToken | None, name: RepositoryName, need: str) -> Allowed:
        """Decides by a query of its own. `need` is pull, push, delete or admin.

        Raises Unauthorized with the scope to ask for, NameUnknown for a repository that is not there
        (unless push may create it)."""
        sql, params = self.ask(_PLAIN, token, name)
        row = self._db.sql_one(sql, params)
        assert row is not None
        return self.decide(row, token, name, need)

    def decide(
        self, row: tuple[Any, ...], token: BearerToken | None, name: RepositoryName, need: str
    ) -> Allowed:
        """Decides by the first columns of `row`, which a Question gave."""
        n_id, n_enabled, r_id, _, visibility, state, kind = row[3:10]
        full = name.full
        if token is None:
            principal, grant = ANONYMOUS, None
        else:
            principal, grant = token.principal, token.grants.get(full)
            if _is_over(row, principal):
                raise self._refuse(full, need)
        open_ = self._rules.anonymous or principal.kind != "anonymous"
        public = r_id is not None and visibility == "public" and open_
        if need == "pull" and public:
            pass
        elif (
            grant is None
            # `*` is granted to who may administer: it includes the others (skopeo deletes with it alone).
            or (_NEEDS[need] not in grant.actions and "*" not in grant.actions)
            or not self._fits(row, token, grant)
            or (need == "pull" and grant.public)
        ):
            raise self._refuse(full, need)
        if n_id is not None and not n_enabled:
            raise NamespaceDisabled()
        if need != "pull":
            self._refuse_writes(need)
        if r_id is None:
            if need != "push":
                raise NameUnknown()
            return Allowed(principal, name, n_id, None)
        if kind != "image":
            raise Unsupported("this repository does not hold images")
        if need != "pull" and state != "NORMAL":
            raise self._refuse(full, need)
        return Allowed(principal, name, n_id, r_id)

    def _refuse_writes(self, need: str) -> None:
        if self._rules.readonly:
            raise ReadOnly()
        if need == "push" and not self._rules.pushes:
            raise PushesDisabled()

    @staticmethod
    def _fits(row: tuple[Any, ...], token: BearerToken | None, grant: Grant) -> bool:
        """Whether the grant is for this very repository, not for another one of the same name."""
        r_id, r_uuid, creator_id, created_ms = row[5], row[6], row[10], row[11]
        if r_id is None:
            # Its repository has been deleted since: the token is for that one, not for a new one.
            return grant.uuid is None
        if grant.uuid is not None:
            return bool(grant.uuid == r_uuid)
        # Granted before the repository existed: only for the one that its own account then made.
        assert token is not None
        return bool(
            creator_id is not None
            and creator_id == token.principal.account_id
            and created_ms >= token.issued * 1000
        )

    @staticmethod
    def _refuse(full: str, need: str) -> Unauthorized:
        return Unauthorized(scope=scope_for(full, need))


def _is_over(row: tuple[Any, ...], principal: Principal) -> bool:
    """Whether what the token says of its account, or the token that was shown for it, is no longer so."""
    enabled, epoch, deleted = row[:3]
    if principal.account_id is not None:
        return not enabled or deleted is not None or epoch != principal.epoch
    return principal.token is not None and not enabled


def scope_for(full: str, need: str) -> str:
    """The scope of a challenge: pull on read routes, pull and push on write routes."""
    return f"repository:{full}:{'pull' if need == 'pull' else 'pull,push'}"
