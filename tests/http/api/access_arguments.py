"""Valid arguments for every operation of the API, for the tests that perform them all.

A text may name a fact of the world in braces: what is the caller's own (`{me}`, `{apptoken}`), what is
acme's (`{application}`), or the registry's (`{message}`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api_client import PASSWORD

DEFAULTS = {
    "access_token_uuid": "{grant}",
    "assigned_authorization_uuid": "{assignment}",
    "client_id": "{application}",
    "code": "{invite}",
    "email": "somebody@mail.test",
    "error_type": "invalid_token",
    "form": "docker-config",
    "kid": "{kid}",
    "labelid": "{label}",
    "manifestref": "{manifest}",
    "membername": "victim",
    "name": "acme",
    "namespace": "acme",
    "orgname": "acme",
    "policy_uuid": "{prune}",
    "prefix": "vic",
    "prototypeid": "{prototype}",
    "repository": "acme/app",
    "robot_shortname": "bot",
    "service_id": "github",
    "tag": "v1",
    "teamname": "guests",
    "token_uuid": "{apptoken}",
    "username": "victim",
    "uuid": "{message}",
}
"""Of the fields of paths."""


@dataclass(frozen=True)
class Arguments:
    """What differs from DEFAULTS in the path, the query and the body; `body` None sends none."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None


APPLICATION = {"name": "another", "redirect_uri": "https://app.test/", "application_uri": "https://app.test/"}
REPOSITORY = {"repository": "fresh", "visibility": "private", "description": ""}
IDENTITIES = [{"issuer": "https://issuer.test", "subject": "ci"}]
MESSAGE = {"content": "hello", "media_type": "text/plain", "severity": "info"}
POLICY = {"method": "number_of_tags", "value": 7, "tagPattern": "^v"}
IMMUTABLE = {"tagPattern": "^release-"}
NEW = {"robot_shortname": "fresh"}
TOKEN_OF_APPLICATION = {"token_uuid": "{app_token}"}

ARGUMENTS: dict[str, Arguments] = {
    "addManifestLabel": Arguments(body={"key": "stage", "value": "test", "media_type": None}),
    "approveServiceKey": Arguments({"kid": "{unapproved}"}, body={"notes": "seen"}),
    "changeInstallUser": Arguments(body={"enabled": True}),
    "changeOrganization": Arguments(body={"name": "renamed"}),
    "changeOrganizationDetails": Arguments(body={"invoice_email": True}),
    "changeRepoState": Arguments(body={"state": "READ_ONLY"}),
    "changeRepoTrust": Arguments(body={"trust_enabled": False}),
    "changeRepoVisibility": Arguments(body={"visibility": "public"}),
    "changeTag": Arguments({"tag": "v2"}, body={"manifest_digest": "{manifest}", "expiration": None}),
    "changeTeamPermissions": Arguments(body={"role": "write"}),
    "changeToken": Arguments(body={"role": "read"}),
    "changeUserDetails": Arguments(body={"invoice_email": True}),
    "changeUserPermissions": Arguments({"username": "newcomer"}, body={"role": "read"}),
    "conductRepoSearch": Arguments(query={"query": "app"}),
    "conductSearch": Arguments(query={"query": "app"}),
    "convertUserToOrganization": Arguments(body={"adminUser": "newcomer", "adminPassword": PASSWORD}),
    "createAppToken": Arguments(body={"title": "laptop"}),
    "createGlobalMessage": Arguments(body={"message": MESSAGE}),
    "createInitialUser": Arguments(body={"username": "first", "password": PASSWORD}),
    "createInstallUser": Arguments(body={"username": "installed", "email": "installed@mail.test"}),
    "createNewUser": Arguments(
        body={"username": "signed-up", "password": PASSWORD, "email": "signed-up@mail.test"}
    ),
    "createOrgImmutabilityPolicy": Arguments(body=IMMUTABLE),
    "createOrgRobot": Arguments(NEW),
    "createOrgRobotFederation": Arguments(body=IDENTITIES),
    "createOrganization": Arguments(body={"name": "made", "email": "made@mail.test"}),
    "createOrganizationApplication": Arguments(body={"name": "another"}),
    "createOrganizationApplicationToken": Arguments(body={"name": "ci", "scope": "org:admin"}),
    "createOrganizationApplicationToken wider": Arguments(
        body={"name": "ci", "scope": "org:admin repo:read"}
    ),
    "createOrganizationAutoPrunePolicy": Arguments(body=POLICY),
    "createOrganizationPrototypePermission": Arguments(
        body={"role": "read", "delegate": {"kind": "user", "name": "victim"}}
    ),
    "createRepo": Arguments(body=REPOSITORY | {"namespace": "acme"}),
    "createRepo own": Arguments(body=REPOSITORY | {"namespace": "{me}"}),
    "createRepositoryAutoPrunePolicy": Arguments(body=POLICY),
    "createRepositoryImmutabilityPolicy": Arguments(body=IMMUTABLE),
    "createServiceKey": Arguments(body={"service": "builder", "expiration": None}),
    "createStar": Arguments(body={"namespace": "acme", "repository": "pub"}),
    "createToken": Arguments(body={"friendlyName": "x"}),
    "createUserAutoPrunePolicy": Arguments(body=POLICY),
    "createUserRobot": Arguments(NEW),
    "createUserRobotFederation": Arguments(body=IDENTITIES),
    "deleteOrgImmutabilityPolicy": Arguments({"policy_uuid": "{pin}"}),
    "deleteOrganizationApplicationToken": Arguments(TOKEN_OF_APPLICATION),
    "deleteRepositoryAutoPrunePolicy": Arguments({"policy_uuid": "{app prune}"}),
    "deleteRepositoryImmutabilityPolicy": Arguments({"policy_uuid": "{app pin}"}),
    "deleteStar": Arguments({"repository": "acme/pub"}),
    "deleteTeamMemberEmailInvite": Arguments({"email": "{email_invite}"}),
    "deleteUserAutoPrunePolicy": Arguments({"policy_uuid": "{own prune}"}),
    "deleteUserPermissions": Arguments({"username": "reader"}),
    "dryRunOrganizationAutoPrunePolicy": Arguments(body=POLICY),
    "dryRunRepositoryAutoPrunePolicy": Arguments(body=POLICY),
    "dryRunUserAutoPrunePolicy": Arguments(body=POLICY),
    "generateUserClientKey": Arguments(body={"password": PASSWORD}),
    "getOrgImmutabilityPolicy": Arguments({"policy_uuid": "{pin}"}),
    "getOrganizationTeamMembers": Arguments({"teamname": "crew"}),
    "getRepo public": Arguments({"repository": "acme/pub"}),
    "getRepoAccess entity": Arguments(query={"entity": "victim"}),
    "getRepositoryAutoPrunePolicy": Arguments({"policy_uuid": "{app prune}"}),
    "getRepositoryImmutabilityPolicy": Arguments({"policy_uuid": "{app pin}"}),
    "getUserAutoPrunePolicy": Arguments({"policy_uuid": "{own prune}"}),
    "getUserPermissions": Arguments({"username": "reader"}),
    "getUserTransitivePermission": Arguments({"username": "reader"}),
    "listDeletedRepositories": Arguments(query={"namespace": "acme"}),
    "listDeletedRepositories own": Arguments(),
    "listRepos": Arguments(query={"namespace": "acme"}),
    "listRepos public": Arguments(query={"public": "true"}),
    "listRepositoryAutoPruneVictims": Arguments({"policy_uuid": "{app prune}"}),
    "listUserAutoPruneVictims": Arguments({"policy_uuid": "{own prune}"}),
    "releaseOrganizationName": Arguments({"uuid": "{deleted organization}"}),
    "removeTagFromTimemachine": Arguments(body={"is_alive": True}),
    "requestRecoveryEmail": Arguments(body={"email": "victim@mail.test"}),
    "restoreTag": Arguments(body={"manifest_digest": "{manifest}"}),
    "retrieveExternalLoginAuthorizationUrl": Arguments(body={"kind": "login"}),
    "signinUser": Arguments(body={"username": "victim", "password": PASSWORD}),
    "takeOwnership": Arguments({"namespace": "rival"}),
    "undeleteOrganization": Arguments({"uuid": "{deleted organization}"}),
    "undeleteRepository": Arguments({"uuid": "{deleted repository}"}),
    "undeleteRepository rename": Arguments({"uuid": "{deleted repository}"}, query={"name": "renamed"}),
    "updateOrgImmutabilityPolicy": Arguments({"policy_uuid": "{pin}"}, body=IMMUTABLE),
    "updateOrganizationApplication": Arguments(body=APPLICATION),
    "updateOrganizationAutoPrunePolicy": Arguments(body=POLICY),
    "updateOrganizationPrototypePermission": Arguments(body={"role": "write"}),
    "updateOrganizationTeam": Arguments(body={"role": "creator"}),
    "updateOrganizationTeamMember": Arguments({"membername": "newcomer"}),
    "updateRepo": Arguments(body={"description": "new"}),
    "updateRepositoryAutoPrunePolicy": Arguments({"policy_uuid": "{app prune}"}, body=POLICY),
    "updateRepositoryImmutabilityPolicy": Arguments({"policy_uuid": "{app pin}"}, body=IMMUTABLE),
    "updateServiceKey": Arguments(body={"name": "renamed"}),
    "updateUserAutoPrunePolicy": Arguments({"policy_uuid": "{own prune}"}, body=POLICY),
    "verifyUser": Arguments(body={"password": PASSWORD}),
}
"""By operation, or by operation and case of tests/access.csv; what is not here takes DEFAULTS."""


def fill(value: Any, facts: dict[str, str]) -> Any:
    """The value with each `{fact}` in its texts put in."""
    if isinstance(value, str):
        return facts[value[1:-1]] if value.startswith("{") and value.endswith("}") else value
    if isinstance(value, dict):
        return {key: fill(item, facts) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, facts) for item in value]
    return value
