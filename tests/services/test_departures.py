"""Users who leave, and those who become organizations."""

from __future__ import annotations

import pytest
from people_world import PASSWORD, Make, column, kinds, person

from quayframe.data.tables import Account, Token
from quayframe.data.tenancy import OauthApplication
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, RegistryError
from quayframe.registry import Registry
from quayframe.services.departures import LastAdmin
from quayframe.services.principal import ANONYMOUS, SYSTEM


def test_a_deleted_account_is_dead_at_once_and_its_name_stays_taken(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_MAILING=False)
    registry = protocol.registry
    alice = person(registry, "alice")
    robot = protocol.robot(alice)
    session = registry.tenancy.sessions.begin(registry.accounts.get("alice"))

    registry.tenancy.departures.delete(alice, "alice")

    assert registry.accounts.find("alice") is None
    assert registry.accounts.find(robot.name) is None
    assert registry.tenancy.sessions.account(session) is None
    assert registry.access.namespace("alice") is None
    assert column(registry, "alice", Account.password_hash) is None
    assert "mail.test" not in column(registry, "alice", Account.email)
    assert kinds(registry)[-1] == "user_delete"
    with pytest.raises(RegistryError):
        registry.accounts.create_user(SYSTEM, "alice", None)
    with pytest.raises(InvalidRequest, match="already exists"):
        registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD)
    registry.tenancy.signup.sign_up(ANONYMOUS, "alison", PASSWORD, "alice@mail.test")


def test_applications_and_tokens_go_with_it(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_USER_INITIALIZE=True, FEATURE_MAILING=False).registry
    first = registry.tenancy.signup.initialize(ANONYMOUS, "first", PASSWORD, with_token=True)
    assert first.token is not None
    assert registry.tenancy.oauth.principal(first.token, None) is not None

    registry.tenancy.departures.delete(registry.accounts.principal(first.account), "first")

    assert registry.tenancy.oauth.principal(first.token, None) is None
    assert registry.db.rows(Token.select(Token.id)) == []
    assert registry.db.rows(OauthApplication.select(OauthApplication.id)) == []


def test_an_only_admin_is_told_of_which_organizations(registry: Registry) -> None:
    alice, bob = person(registry, "alice"), person(registry, "bob")
    for name in ("acme", "beta", "gamma"):
        registry.tenancy.organizations.create(alice, name)
    registry.tenancy.teams.add_member(alice, "beta", "owners", "bob")

    with pytest.raises(LastAdmin) as told:
        registry.tenancy.departures.delete(alice, "alice")
    assert told.value.detail == {"organizations": ["acme", "gamma"]}
    assert registry.accounts.find("alice") is not None

    for name in ("acme", "gamma"):
        registry.tenancy.organizations.delete(alice, name)
    registry.tenancy.departures.delete(alice, "alice")
    with pytest.raises(LastAdmin):
        registry.tenancy.departures.delete(bob, "bob")


def test_a_superuser_deletes_whom_it_must(registry: Registry) -> None:
    alice = person(registry, "alice")
    registry.tenancy.organizations.create(alice, "acme")

    with pytest.raises(NotFound):
        registry.tenancy.departures.delete(SYSTEM, "nobody", as_superuser=True)
    registry.tenancy.departures.delete(SYSTEM, "alice", as_superuser=True)
    assert registry.accounts.find("alice") is None


def test_a_converted_account_is_an_organization_that_the_admin_owns(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_MAILING=False)
    registry = protocol.registry
    alice, bob = person(registry, "alice"), person(registry, "bob")
    protocol.robot(alice)
    session = registry.tenancy.sessions.begin(registry.accounts.get("alice"))

    registry.tenancy.departures.convert(alice, registry.accounts.get("bob"))

    found = registry.access.namespace("alice")
    assert found is not None
    assert found.kind == "organization"
    assert registry.access.team_role(bob, found) == "admin"
    assert registry.tenancy.sessions.account(session) is None
    assert registry.accounts.find("alice+bot") is not None
    details = registry.tenancy.organizations.details(bob, "alice")
    assert details.email == "alice@mail.test"
    assert [team.name for team in details.teams or ()] == ["owners"]
    assert registry.accounts.check_password("alice", PASSWORD) is None


def test_nobody_becomes_the_admin_of_himself(registry: Registry) -> None:
    alice = person(registry, "alice")

    with pytest.raises(InvalidRequest) as told:
        registry.tenancy.departures.convert(alice, registry.accounts.get("alice"))
    assert told.value.detail == {"reason": "invaliduser"}


def test_who_may_make_no_organization_becomes_none(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_MAILING=False, FEATURE_RESTRICTED_USERS=True).registry
    alice = person(registry, "alice")
    person(registry, "bob")

    with pytest.raises(InsufficientScope):
        registry.tenancy.departures.convert(alice, registry.accounts.get("bob"))
