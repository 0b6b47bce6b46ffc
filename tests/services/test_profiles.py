"""Users as they and others see them; and the whole life of an account on every database."""

from __future__ import annotations

import pytest
from mails import last
from people_world import PASSWORD, Make, column, person

from quayframe.data.tables import Account
from quayframe.errors import NotFound
from quayframe.registry import Registry
from quayframe.services.principal import ANONYMOUS


def test_public_namespaces_stand_among_everybodys_own(make_protocol: Make) -> None:
    registry = make_protocol(PUBLIC_NAMESPACES=["acme", "bob", "nowhere"]).registry
    alice, bob = person(registry, "alice"), person(registry, "bob")
    registry.tenancy.organizations.create(bob, "acme")
    registry.tenancy.organizations.create(alice, "own")
    found = registry.tenancy.profiles.profile(alice, "alice").organizations

    assert found is not None
    assert [(o.name, o.public, o.is_admin, o.can_create_repo) for o in found] == [
        ("acme", True, False, False),
        ("bob", True, False, False),
        ("own", False, True, True),
    ]


def test_the_strongest_of_several_teams_counts(registry: Registry) -> None:
    owner, alice = person(registry, "owner"), person(registry, "alice")
    registry.tenancy.organizations.create(owner, "acme")
    for team, role in (("readers", "member"), ("makers", "creator")):
        registry.tenancy.teams.put(owner, "acme", team, role, None)
        registry.tenancy.teams.add_member(owner, "acme", team, "alice")
    (found,) = registry.tenancy.profiles.profile(alice, "alice").organizations or ()

    assert (found.can_create_repo, found.is_admin) == (True, False)


def test_scopes_keep_a_token_from_more_than_they_say(registry: Registry) -> None:
    owner = person(registry, "owner")
    registry.tenancy.organizations.create(owner, "acme")
    account = registry.accounts.get("owner")
    for scopes, expected in (
        ({"user:read"}, (False, False)),
        ({"user:read", "repo:create"}, (True, False)),
        ({"user:read", "org:admin"}, (True, True)),
    ):
        token = registry.accounts.principal(account, scopes=frozenset(scopes))
        (found,) = registry.tenancy.profiles.profile(token, "owner").organizations or ()
        assert (found.can_create_repo, found.is_admin) == expected, scopes


def test_what_is_deleted_is_seen_by_nobody(registry: Registry) -> None:
    owner, alice = person(registry, "owner"), person(registry, "alice")
    registry.tenancy.organizations.create(owner, "acme")
    registry.tenancy.organizations.delete(owner, "acme")
    registry.tenancy.departures.delete(alice, "alice")

    assert registry.tenancy.profiles.profile(owner, "owner").organizations == ()
    with pytest.raises(NotFound):
        registry.tenancy.profiles.profile(owner, "alice")


def test_an_account_lives_on_every_database(make_protocol: Make, database_uri: str) -> None:
    registry = make_protocol(
        DB_URI=database_uri, FEATURE_USER_RENAME=True, FEATURE_USER_METADATA=True
    ).registry
    tenancy = registry.tenancy
    tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    tenancy.confirmations.confirm(last(registry).code, None)
    alice = registry.accounts.principal(registry.accounts.get("alice"))
    tenancy.people.change(
        alice, {"email": "new@mail.test", "company": "Wonderland", "tag_expiration_s": 86400}
    )
    tenancy.confirmations.confirm(last(registry).code, None)
    tenancy.confirmations.recover_address("new@mail.test")
    tenancy.confirmations.recover(last(registry).code, "battery-staple", None)
    account = tenancy.people.change(alice, {"username": "alison"})
    alison = registry.accounts.principal(account)

    details = tenancy.profiles.profile(alison, "alison").details
    assert details is not None
    assert (details["email"], details["company"], details["tag_expiration_s"]) == (
        "new@mail.test",
        "Wonderland",
        86400,
    )
    assert registry.logins.check("new@mail.test", "battery-staple", "10.0.0.1").name == "alison"
    bob = person(registry, "bob")
    tenancy.departures.convert(alison, registry.accounts.get("bob"))
    assert tenancy.profiles.profile(bob, "bob").organizations is not None
    tenancy.organizations.delete(bob, "alison")
    tenancy.departures.delete(bob, "bob")
    assert column(registry, "bob", Account.deleted_ms) is not None
    registry.collector.sweep()
