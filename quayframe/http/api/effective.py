"""Who can do what on a repository, and through which grant."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.effective import Entry

from . import needs
from .operation import Call, Query, Resource, operation


class AccessQuery(Query):
    entity: str | None = Field(default=None, description="A user or robot; without it, everybody is told.")


class GrantView(TypedDict):
    """`via` is own_namespace, direct, team, admin_team, public, superuser or global_readonly_superuser;
    `team` is there for the two by a team."""

    via: str
    role: str
    team: NotRequired[str]


class EntityAccess(TypedDict):
    """`role` is null for who can do nothing; `enabled` is false for who was kept out altogether, whatever
    the grants say."""

    entity: str
    kind: str
    enabled: bool
    role: str | None
    grants: list[GrantView]
    can_pull: bool
    can_push: bool
    can_admin: bool


class RepositoryAccess(TypedDict):
    """Who holds something of its own here, by name. `public`: everybody else may pull."""

    public: bool
    access: list[EntityAccess]


def _view(entry: Entry) -> EntityAccess:
    grants: list[GrantView] = []
    for grant in entry.grants:
        shown: GrantView = {"via": grant.via, "role": grant.role}
        if grant.team is not None:
            shown["team"] = grant.team
        grants.append(shown)
    return {
        "entity": entry.entity,
        "kind": entry.kind,
        "enabled": entry.enabled,
        "role": entry.role,
        "grants": grants,
        "can_pull": entry.can_pull,
        "can_push": entry.can_push,
        "can_admin": entry.can_admin,
    }


class RepositoryAccessResource(Resource):
    path = "/api/v1/repository/{repository}/access"

    @operation(
        "getRepoAccess",
        "permission",
        needs.REPO_ADMIN,
        scopes=("repo:admin",),
        query=AccessQuery,
        answer=RepositoryAccess | EntityAccess,
    )
    def get(self, call: Call, repository: str) -> RepositoryAccess | EntityAccess:
        """Who can do what here and through which grant; of one user or robot with `entity`."""
        query: AccessQuery = call.query
        effective = call.registry.tenancy.effective
        if query.entity is not None:
            return _view(effective.of(call.principal, call.repository, query.entity))
        found = effective.everybody(call.principal, call.repository)
        return {
            "public": call.repository.visibility == "public",
            "access": [_view(entry) for entry in found],
        }


RESOURCES = (RepositoryAccessResource,)
