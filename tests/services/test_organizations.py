"""Organizations: made once, seen by whom, changed, ended with all that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from organization_world import OrganizationWorld, at_once

from quayframe.data import migrations, tables, tenancy
from quayframe.data.db import Database
from quayframe.errors import (
    InsufficientScope,
    InvalidRequest,
    NameInvalid,
    NotFound,
    NotSignedIn,
    Refused,
    RegistryError,
)
from quayframe.oci.names import RepositoryName
from quayframe.services.access import Access
from quayframe.services.accounts import Accounts
from quayframe.services.activity import Activity
from quayframe.services.organizations import Organizations
from quayframe.services.passwords import PasswordChecker
from quayframe.services.principal import ANONYMOUS, Principal
from quayframe.services.repositories import Repositories


@pytest.fixture
def world(database: Database) -> OrganizationWorld:
    return OrganizationWorld(database)


@pytest.fixture
def here(sqlite: str, open_database: Callable[..., Database]) -> OrganizationWorld:
    """For rules that no database has a part in."""
    made = open_database(sqlite)
    migrations.migrate(made)
    return OrganizationWorld(made, invite=True)


# -- making -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ab", "a" * 255, "a.b-c_d", "00"])
def test_names_up_to_the_borders_are_taken(here: OrganizationWorld, name: str) -> None:
    here.organizations.create(here.boss, name)

    details = here.organizations.details(here.boss, name)
    assert details.teams is not None
    assert [(t.name, t.role, t.member_count, t.repo_count) for t in details.teams] == [
        ("owners", "admin", 1, 0)
    ]


@pytest.mark.parametrize(
    "name", ["", "a", "a" * 256, "Org", "o--g", "o+g", "o/g", "o g", "-org", "org\n", "örg"]
)
def test_bad_names_are_refused(here: OrganizationWorld, name: str) -> None:
    with pytest.raises(NameInvalid, match="Invalid namespace"):
        here.organizations.create(here.boss, name)


def test_a_name_in_use_or_used_once_is_refused(world: OrganizationWorld) -> None:
    world.organizations.create(world.boss, "once")
    world.organizations.delete(world.boss, "once")
    for name in ("org", "boss", "once"):
        with pytest.raises(InvalidRequest, match="A user or organization with this name already exists"):
            world.organizations.create(world.boss, name)


def test_of_many_makers_of_one_name_one_succeeds(world: OrganizationWorld) -> None:
    told = at_once(*[lambda: world.organizations.create(world.boss, "new")] * 4)

    assert sorted(map(type, told), key=str) == sorted([type(None)] + [InvalidRequest] * 3, key=str)
    assert [p.name for p in world.teams.members(world.boss, "new", "owners").people] == ["boss"]


def test_an_email_may_be_left_out_or_shared_but_not_malformed(world: OrganizationWorld) -> None:
    for name in ("one", "two"):
        world.organizations.create(world.boss, name, "same@example.com")
    for email in ("nobody", "a@b", "a b@example.com"):
        with pytest.raises(InvalidRequest, match="Invalid email address"):
            world.organizations.create(world.boss, "three", email)

    assert world.organizations.details(world.boss, "one").email == "same@example.com"
    assert [e.get("email") for e in world.events("org_create")] == [None] + ["same@example.com"] * 2


def test_who_may_not_make_organizations_makes_none(world: OrganizationWorld) -> None:
    robot = world.robot("bot")
    scoped = Principal(**{**world.boss.__dict__, "scopes": frozenset({"org:admin"})})
    for who, error in ((ANONYMOUS, NotSignedIn), (robot, InsufficientScope), (scoped, InsufficientScope)):
        with pytest.raises(error):
            world.organizations.create(who, "new")
    plain, root = world.account("plain"), world.account("root", superuser=True)
    restricted = Access(world.db, restricted=["boss"])
    rules: list[tuple[Any, list[Principal]]] = [
        (Organizations(world.db, restricted, Activity(world.db)), [world.boss, root]),
        (Organizations(world.db, world.access, Activity(world.db), only_superusers=True), [root]),
    ]
    for number, (organizations, allowed) in enumerate(rules):
        for who in (plain, world.boss, root):
            name = f"new-{number}-{who.name}"
            if who in allowed:
                organizations.create(who, name)
                continue
            with pytest.raises(InsufficientScope):
                organizations.create(who, name)


# -- seeing and changing ------------------------------------------------------------------------------


def test_each_sees_what_is_for_them(world: OrganizationWorld) -> None:
    member, stranger = world.account("member"), world.account("stranger")
    world.teams.put(world.boss, "org", "dev", "member")
    world.join("dev", member)
    seen = {
        who.name: world.organizations.details(who, "org")
        for who in (world.boss, member, stranger, ANONYMOUS, world.boss_of_all)
    }
    flags = {name: (d.is_admin, d.is_member, d.reads, d.teams is not None) for name, d in seen.items()}

    assert flags == {
        "boss": (True, True, True, True),
        "member": (False, True, False, True),
        "stranger": (False, False, False, False),
        "(anonymous)": (False, False, False, False),
        "auditor": (False, False, True, True),
    }
    assert [(t.name, t.can_view) for t in seen["member"].teams or ()] == [("owners", False), ("dev", True)]
    with pytest.raises(NotFound):
        world.organizations.details(world.boss, "boss")


def test_counts_leave_out_what_is_deleted(world: OrganizationWorld) -> None:
    gone = world.account("gone", deleted_ms=1)
    world.join("owners", gone)
    owners = world.db.value(tables.Team.select(tables.Team.id))
    for name, deleted in (("one", False), ("two", False), ("three", True)):
        repository = world.repository(name, deleted=deleted)
        world.insert(tables.Permission, repository=repository, team=owners, role="read")
    teams = world.organizations.details(world.boss, "org").teams or ()

    assert [(team.repo_count, team.member_count) for team in teams] == [(2, 1)]


def test_a_change_leaves_the_rest_and_tells_what_it_changed(world: OrganizationWorld) -> None:
    change = world.organizations.change
    change(world.boss, "org", {"email": "a@example.com", "invoice_email": True, "contact_email": "c@d.ef"})
    after = change(world.boss, "org", {"tag_expiration_s": 0, "invoice_email_address": "b@example.com"})
    assert (after.email, after.invoice_email, after.tag_expiration_s) == ("a@example.com", True, 0)
    assert after.invoice_email_address == "b@example.com"
    again = change(world.boss, "org", {"email": "a@example.com", "invoice_email_address": None})
    assert again.invoice_email_address is None
    assert change(world.boss, "org", {}) == again

    changes = world.events("org_change_email", "org_change_invoicing", "org_change_tag_expiration")
    assert [e["kind"].removeprefix("org_change_") for e in changes] == [
        "email", "invoicing", "invoicing", "tag_expiration", "invoicing",
    ]  # fmt: skip
    assert changes[0]["email"] == "a@example.com"


def test_what_may_not_be_chosen_changes_nothing(world: OrganizationWorld) -> None:
    before = world.organizations.details(world.boss, "org")
    with pytest.raises(Refused, match="Invalid tag expiration option"):
        world.organizations.change(world.boss, "org", {"tag_expiration_s": 1, "invoice_email": True})
    with pytest.raises(InvalidRequest, match="Invalid email address"):
        world.organizations.change(world.boss, "org", {"email": "nobody", "invoice_email": True})
    for who in (world.account("stranger"), world.boss_of_all):
        with pytest.raises(InsufficientScope):
            world.organizations.change(who, "org", {"invoice_email": True})

    assert world.organizations.details(world.boss, "org") == before


def test_an_organization_without_an_email_may_send_back_what_it_was_shown(world: OrganizationWorld) -> None:
    shown = world.organizations.details(world.boss, "org").email

    assert world.organizations.change(world.boss, "org", {"email": shown}).email == shown


# -- ending -------------------------------------------------------------------------------------------


def fill(world: OrganizationWorld) -> None:
    """Gives the organization one of everything."""
    world.account("invited")
    invited = world.db.value(tables.Account.select(tables.Account.id).where(tables.Account.name == "invited"))
    owners = world.db.value(
        tables.Team.select(tables.Team.id).where(tables.Team.organization == world.org.id)
    )
    world.insert(tenancy.TeamInvite, lookup="l", code="c", team=owners, account=invited, created_ms=1)
    world.prototypes.create(world.boss, "org", "read", "team", "owners")
    repository = world.repository("app")
    world.insert(tables.Permission, repository=repository, team=owners, role="read")
    application = world.insert(
        tenancy.OauthApplication, client_id="i", organization=world.org.id, name="n", description="",
        application_uri="", redirect_uri="", secret="s", created_ms=1,
    )  # fmt: skip
    code = {"lookup": "l", "scope": "s", "redirect_uri": "r", "expires_ms": 1}
    world.insert(tenancy.OauthCode, application=application, account=world.boss.account_id, **code)
    token = {"uuid": "u", "kind": "oauth", "title": "t", "lookup": "l", "created_ms": 1}
    world.insert(tables.Token, application=application, account=world.boss.account_id, **token)


def counts(world: OrganizationWorld) -> dict[str, int]:
    """How many rows there are of what hangs on an organization."""
    kept = (
        tenancy.TeamInvite, tenancy.Prototype, tenancy.OauthApplication, tenancy.OauthCode, tables.Token,
        tables.Team, tables.TeamMember, tables.Permission,
    )  # fmt: skip
    return {table._meta.table_name: len(world.db.rows(table.select(table.id))) for table in kept}


def test_a_deleted_organization_leaves_its_name_and_nothing_that_opens_it(world: OrganizationWorld) -> None:
    robot = world.robot("bot")
    fill(world)
    before = counts(world)
    world.organizations.delete(world.boss, "org")

    with pytest.raises(NotFound):
        world.organizations.details(world.boss, "org")
    assert world.access.repository("org", "app") is None
    # It can come back as it was, until the collector has been there.
    assert counts(world) == before
    row = tables.Account
    assert world.db.rows(row.select(row.name).where(row.deleted_ms.is_null(False)).order_by(row.name)) == [
        ("org",),
        ("org+bot",),
    ]
    assert world.epoch(world.boss) == world.epoch(robot) == 1
    (repository,) = world.db.rows(
        tables.Repository.select(
            tables.Repository.name,
            tables.Repository.uuid,
            tables.Repository.deleted_name,
            tables.Repository.state,
        )
    )
    assert repository == (repository[1].upper(), repository[1], "app", "MARKED_FOR_DELETION")
    assert [e["performer"] for e in world.events("org_delete")] == ["boss"]


def test_deleting_leaves_the_neighbour_alone(world: OrganizationWorld) -> None:
    world.organizations.create(world.boss, "other")
    world.repository("mine", owner=world.boss.account_id)
    fill(world)
    world.organizations.delete(world.boss, "org")

    assert world.organizations.details(world.boss, "other").is_admin
    assert world.access.repository("boss", "mine") is not None


def test_nothing_alive_stays_behind_in_what_is_deleted_meanwhile(world: OrganizationWorld) -> None:
    accounts = Accounts(world.db, Activity(world.db), PasswordChecker(1))
    repositories = Repositories(world.db, accounts, world.access, Activity(world.db), lambda event: None)

    def make(number: int) -> None:
        repositories.create(world.boss, RepositoryName("org", f"app{number}"), "private")

    told = at_once(
        *[partial(make, number) for number in range(4)],
        lambda: world.teams.put(world.boss, "org", "dev", "member"),
        lambda: world.organizations.delete(world.boss, "org"),
        *[partial(make, number) for number in range(4, 6)],
    )

    assert told[5] is None
    assert all(error is None or isinstance(error, RegistryError | tuple) for error in told), told
    live = tables.Repository.select(tables.Repository.name).where(tables.Repository.deleted_ms.is_null())
    assert world.db.rows(live) == []


def test_only_admins_and_superusers_who_say_so_delete(world: OrganizationWorld) -> None:
    root, member = world.account("root", superuser=True), world.account("member")
    world.teams.put(world.boss, "org", "dev", "creator")
    world.join("dev", member)
    for who in (root, member, world.boss_of_all):
        with pytest.raises(InsufficientScope):
            world.organizations.delete(who, "org")
    with pytest.raises(InsufficientScope):
        world.organizations.delete(member, "org", as_superuser=True)
    world.organizations.delete(root, "org", as_superuser=True)
    with pytest.raises(NotFound):
        world.organizations.delete(root, "org", as_superuser=True)
    with pytest.raises(InsufficientScope):
        world.organizations.delete(world.boss, "org")
