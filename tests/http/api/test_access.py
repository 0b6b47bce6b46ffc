"""Who may call what: every operation as every identity, against the table that was written by hand.

tests/access.csv holds one line per operation (and case), one column per identity, and in each cell what
permissions.md says: `allowed`, or the status of the refusal. A changing operation is really performed, and
inside a rehearsal of the database that this test opens: routing, need, body, service and answer are those of
every day, and at the end of the request all that it wrote is undone, so that one world serves all. It is the
rehearsal that a dry run opens, without the dry run's own answer; what would follow a commit does not happen.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from access_arguments import ARGUMENTS, DEFAULTS, Arguments, fill
from api_client import Caller, Result
from tenancy_world import USERS, World

from quayframe.http.api import routes
from quayframe.http.api.operation import Operation
from quayframe.http.request import Callers
from quayframe.http.router import Router

TABLE = Path(__file__).parents[2] / "access.csv"
SCOPES = (
    "repo:read",
    "repo:write",
    "repo:admin",
    "repo:create",
    "user:read",
    "user:admin",
    "org:admin",
    "super:user",
)
IDENTITIES = ("anonymous", *USERS, "full", *(f"token:{scope}" for scope in SCOPES))
"""`full` is the superuser where FEATURE_SUPERUSERS_FULL_ACCESS is on; token:super:user a token of the
superuser, every other token one of orgadmin."""
ERROR_TYPES = {"401": "invalid_token", "403": "insufficient_scope"}
ANSWERED = {
    "createInitialUser": {400},  # there is a user already
    "linkExternalUser": {400, 404},  # the database log-in has nobody to link
    "retrieveExternalLoginAuthorizationUrl": {400, 404},  # no such service is configured
}
"""Refusals that have nothing to do with who asks, in a world where the operation cannot succeed."""
WITHOUT_ANONYMOUS = {
    "createInitialUser",
    "createNewUser",
    "discovery",
    "getErrorDescription",
    "getRegistryCapabilities",
    "logout",
    "requestRecoveryEmail",
    "retrieveExternalLoginAuthorizationUrl",
    "signinUser",
}
"""What leads to a log-in, and what describes the API: open even with FEATURE_ANONYMOUS_ACCESS off."""

FRESH = {
    "approveServiceKey",
    "changeInstallUser",
    "changeOrganization",
    "changeUserDetails",
    "createAppToken",
    "createGlobalMessage",
    "createInstallUser",
    "createServiceKey",
    "deleteAdminedOrganization",
    "deleteCurrentUser",
    "deleteGlobalMessage",
    "deleteInstallUser",
    "deleteOrganization",
    "deleteServiceKey",
    "getAppToken",
    "getChangeLog",
    "getConfigDump",
    "getInstallUser",
    "getRegistrySize",
    "listAllAppTokens",
    "listAllOrganizations",
    "listAllUsers",
    "queueRegistrySizeCalculation",
    "releaseOrganizationName",
    "revokeAppToken",
    "scShutdownContainer",
    "sendInstallUserRecoveryEmail",
    "takeOwnership",
    "updateServiceKey",
}
"""What a session does only within FRESH_LOGIN_TIMEOUT of the password (api.md 1)."""


@dataclass(frozen=True)
class Row:
    ident: str
    case: str
    expected: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.ident} {self.case}".strip()


def _rows() -> list[Row]:
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    header, *cells = [[cell.strip() for cell in line] for line in csv.reader(lines)]
    return [Row(line[0], line[1], dict(zip(header[2:], line[2:], strict=True))) for line in cells]


ROWS = _rows()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), {})
    yield made
    made.close()


@pytest.fixture(scope="module")
def full_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("full"), {"FEATURE_SUPERUSERS_FULL_ACCESS": True})
    yield made
    made.close()


@pytest.fixture(scope="module")
def closed_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("closed"), {"FEATURE_ANONYMOUS_ACCESS": False})
    yield made
    made.close()


@pytest.fixture(scope="module")
def declared(world: World) -> dict[str, tuple[str, str, Operation]]:
    """Operation id to (method, path, declaration), from the route table."""
    callers = Callers(world.registry, world.registry.settings.TRUSTED_PROXIES)
    found = {}
    for resource in routes.add_all(Router(), world.registry, callers).resources:
        for method, operation in resource.operations.items():
            if method != "HEAD":
                assert operation.ident not in found, f"two operations are called {operation.ident}"
                found[operation.ident] = (method, resource.path, operation)
    return found


def _caller(world: World, identity: str, tokens: dict[str, Caller]) -> tuple[str, Caller]:
    """(whose things to name, caller) of an identity; each has a session of its own, just begun."""
    if identity == "anonymous":
        return "other", world.anonymous
    if identity.startswith("token:"):
        name = "superuser" if identity == "token:super:user" else "orgadmin"
        if identity not in tokens:
            tokens[identity] = world.oauth(name, identity.removeprefix("token:"))
        return name, tokens[identity]
    name = "superuser" if identity == "full" else identity
    return name, world.signed_in(name)


def perform(world: World, caller: Caller, me: str, route: tuple[str, str, Operation], name: str) -> Result:
    """One operation with valid arguments; what it changes is undone."""
    method, path, operation = route
    arguments = ARGUMENTS.get(name) or ARGUMENTS.get(operation.ident) or Arguments()
    facts = world.facts | world.of["acme"] | world.mine[me]
    for field, value in (DEFAULTS | arguments.path).items():
        path = path.replace(f"{{{field}}}", quote(fill(value, facts), safe="/@+"))
    assert "{" not in path, f"no argument for {path}"
    query, body = fill(arguments.query, facts), fill(arguments.body, facts)
    if method == "GET":
        return caller.do(method, path, body, params=query)
    with world.registry.db.rehearsal():
        return caller.do(method, path, body, params=query)


def verdict(ident: str, result: Result) -> str:
    """What the table calls this answer; anything else is shown in full."""
    status = result.status_code
    if status < 400 or status in ANSWERED.get(ident, ()):
        return "allowed"
    body = json.loads(result.content) if result.content else {}
    told = ERROR_TYPES.get(str(status))
    if status in (404, 410) or (told is not None and body.get("error_type") == told):
        return str(status)
    return f"{status} {result.text}"


@pytest.fixture(scope="module")
def tokens() -> dict[str, Caller]:
    return {}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_operation_is_open_to_whom_the_table_names_and_to_nobody_else(
    row: Row,
    world: World,
    full_world: World,
    declared: dict[str, tuple[str, str, Operation]],
    tokens: dict[str, Caller],
) -> None:
    if row.ident not in declared:
        pytest.fail("no resource declares it", pytrace=False)
    wrong = []
    for identity in IDENTITIES:
        place = full_world if identity == "full" else world
        me, caller = _caller(place, identity, tokens)
        found = verdict(row.ident, perform(place, caller, me, declared[row.ident], row.name))
        if found != row.expected[identity]:
            wrong.append(f"{identity}: {found}, not {row.expected[identity]}")

    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_with_anonymous_access_off_nobody_is_let_in_but_to_log_in(
    closed_world: World, declared: dict[str, tuple[str, str, Operation]]
) -> None:
    wrong = []
    for row in ROWS:
        if row.ident in declared:
            result = perform(closed_world, closed_world.anonymous, "other", declared[row.ident], row.name)
            found = verdict(row.ident, result)
            usual = row.expected["anonymous"]
            refused = usual if usual in ("404", "410") else "401"
            if found != ("allowed" if row.ident in WITHOUT_ANONYMOUS else refused):
                wrong.append(f"{row.name}: {found}")

    assert wrong == []


def test_a_session_whose_password_was_shown_long_ago_is_asked_for_it_again_where_the_contract_says_so(
    full_world: World, declared: dict[str, tuple[str, str, Operation]]
) -> None:
    asked = set()
    for row in ROWS:
        if row.ident in declared:
            stale = full_world.signed_in_long_ago("superuser")
            result = perform(full_world, stale, "superuser", declared[row.ident], row.name)
            if result.status_code == 401 and result.json["error_type"] == "fresh_login_required":
                asked.add(row.ident)

    assert asked == FRESH


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_of_who_may_read_everything_reads_what_its_scope_and_its_user_both_may(
    world: World, declared: dict[str, tuple[str, str, Operation]], scope: str
) -> None:
    """A token of orgadmin shows what the scope lets somebody with every right do (super:user: of the
    superuser); no more than that, and than what the read-only superuser may itself, is this one's.

    Two are special: all app tokens are for it and not for the superuser, and with repo:create orgadmin's
    token makes it a creator, which who reads everything is not."""
    token = world.oauth("readonly", scope)
    wrong = []
    for row in ROWS:
        if row.ident in declared and declared[row.ident][0] == "GET":
            found = verdict(row.ident, perform(world, token, "readonly", declared[row.ident], row.name))
            both = {row.expected["readonly"], row.expected[f"token:{scope}"]} == {"allowed"}
            special = (row.ident, scope) in (
                ("listAllAppTokens", "super:user"),
                ("getOrgRobots", "repo:create"),
            )
            if (found == "allowed") != (both != special):
                wrong.append(f"{row.name}: {found}")

    assert wrong == []


@pytest.mark.parametrize("who", ["readonly", "member", "superuser"])
def test_no_answer_shows_an_organizations_secrets_to_who_is_not_its_admin(
    world: World, declared: dict[str, tuple[str, str, Operation]], who: str
) -> None:
    secrets = (world.facts["acme+bot token"], "acme-client-secret", world.of["acme"]["email_code"])
    shown = []
    for row in ROWS:
        if row.ident in declared and declared[row.ident][0] == "GET":
            result = perform(world, world.signed_in(who), who, declared[row.ident], row.name)
            shown += [row.name for secret in secrets if secret in result.text]

    assert shown == []


def test_every_operation_of_the_route_table_has_its_line(
    declared: dict[str, tuple[str, str, Operation]],
) -> None:
    assert sorted(set(declared) - {row.ident for row in ROWS}) == []


def test_every_line_has_an_expectation_for_every_identity() -> None:
    names = [row.name for row in ROWS]
    known = {"allowed", "401", "403", "404", "410"}

    assert len(names) == len(set(names))
    assert [row.name for row in ROWS if set(row.expected) != set(IDENTITIES)] == []
    assert [row.name for row in ROWS if not set(row.expected.values()) <= known] == []


def test_every_change_is_undone(world: World) -> None:
    """What the table's test relies on: its requests leave nothing behind."""
    before = world.dump()
    with world.registry.db.rehearsal():
        assert world.signed_in("orgadmin").delete("organization/acme").status_code == 204

    assert world.dump() == before
