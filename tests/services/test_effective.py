"""The effective permission with its reasons equals what the rules say, and what `Access` decides.

A property test over random tenancies; QUAYFRAME_SOAK=1 makes it longer. A failure names its seed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from random_tenancy import RandomTenancy, Repo, Rules, Who

from quayframe.data import migrations, tables
from quayframe.data.db import Database
from quayframe.errors import InsufficientScope, NotFound, NotSignedIn
from quayframe.services.access import Access
from quayframe.services.accounts import Accounts
from quayframe.services.activity import Activity
from quayframe.services.effective import Effective, Entry
from quayframe.services.passwords import PasswordChecker
from quayframe.services.principal import ANONYMOUS, SYSTEM

TENANCIES = 1500 if os.environ.get("QUAYFRAME_SOAK") == "1" else 40


class World:
    """One tenancy and the services over it, under some rules of the operator."""

    def __init__(self, db: Database, seed: int) -> None:
        prefix = f"t{seed}"
        self.tenancy = RandomTenancy(db, seed, prefix)
        chosen = self.tenancy.random
        self.rules = Rules(
            superusers=frozenset({f"{prefix}u0"}),
            readonly=frozenset({f"{prefix}u1"}),
            full=chosen.random() < 0.5,
            anonymous=chosen.random() < 0.8,
            robots=chosen.random() < 0.9,
            restricted=chosen.random() < 0.2,
        )
        self.accounts = Accounts(
            db, Activity(db), PasswordChecker(1), self.rules.superusers, self.rules.readonly
        )
        self.access = Access(
            db,
            anonymous=self.rules.anonymous,
            superusers_full=self.rules.full,
            restricted=() if self.rules.restricted else None,
        )
        self.effective = Effective(db, self.accounts, self.access, lambda name: self.rules.robots)

    def check(self, entry: Entry, who: Who, repo: Repo) -> None:
        row, tenancy, rules = repo.row, self.tenancy, self.rules
        role = tenancy.role(who, repo, rules)
        served = role is not None and repo.owner.enabled
        got = {(grant.via, grant.role, grant.team) for grant in entry.grants}
        where = f"{who.name} on {row.full}"

        assert got == tenancy.grants(who, repo, rules), where
        assert len(entry.grants) == len(got), where
        assert (entry.entity, entry.kind) == (who.name, who.kind)
        assert entry.role == role, where
        assert entry.can_pull == served, where
        assert entry.can_push == (served and role in ("write", "admin") and row.state == "NORMAL"), where
        assert entry.can_admin == (role == "admin"), where
        if entry.enabled:
            self.check_access(entry, who, repo)

    def check_access(self, entry: Entry, who: Who, repo: Repo) -> None:
        account = self.accounts.find(who.name)
        assert account is not None
        principal = self.accounts.principal(account)
        may = (
            self.access.may_pull(principal, repo.row) and repo.owner.enabled,
            self.access.may_push(principal, repo.row) and repo.owner.enabled,
            self.access.may_admin(principal, repo.row),
        )
        assert may == (entry.can_pull, entry.can_push, entry.can_admin), f"{who.name} on {repo.row.full}"


@pytest.fixture
def db(sqlite: str, open_database: Callable[..., Database]) -> Database:
    made = open_database(sqlite)
    migrations.migrate(made)
    return made


@pytest.mark.timeout(3600)
def test_it_is_what_the_rules_say_in_random_tenancies(db: Database) -> None:
    for seed in range(TENANCIES):
        world = World(db, seed)
        for repo in world.tenancy.repositories:
            for who in world.tenancy.people:
                world.check(world.effective.of(SYSTEM, repo.row, who.name), who, repo)


@pytest.mark.timeout(3600)
def test_everybody_who_holds_something_is_listed_once_and_as_asked_for_alone(db: Database) -> None:
    for seed in range(TENANCIES):
        world = World(db, seed)
        for repo in world.tenancy.repositories:
            listed = world.effective.everybody(SYSTEM, repo.row)
            holders = sorted(
                who.name
                for who in world.tenancy.people
                if any(via != "public" for via, *_ in world.tenancy.grants(who, repo, world.rules))
            )
            assert [entry.entity for entry in listed] == holders
            for entry in listed:
                assert entry == world.effective.of(SYSTEM, repo.row, entry.entity)


def test_the_answer_is_the_same_on_every_database(database: Database) -> None:
    world = World(database, 7)
    for repo in world.tenancy.repositories:
        for entry in world.effective.everybody(SYSTEM, repo.row):
            who = next(who for who in world.tenancy.people if who.name == entry.entity)
            world.check(entry, who, repo)


def test_only_an_admin_of_the_repository_may_ask(db: Database) -> None:
    world = World(db, 1)
    for repo in world.tenancy.repositories:
        for who in world.tenancy.people:
            account = world.accounts.find(who.name)
            assert account is not None
            principal = world.accounts.principal(account)
            may = world.access.may_admin(principal, repo.row) or principal.readonly_superuser
            if may:
                world.effective.everybody(principal, repo.row)
                world.effective.of(principal, repo.row, who.name)
                continue
            with pytest.raises(InsufficientScope):
                world.effective.everybody(principal, repo.row)
            with pytest.raises(InsufficientScope):
                world.effective.of(principal, repo.row, who.name)
        with pytest.raises(NotSignedIn):
            world.effective.everybody(ANONYMOUS, repo.row)


@pytest.mark.parametrize("name", ["nobody", "t1o0", "t1u0+nobody", "NO", "", "x" * 600, "a+b+c", "a\0b"])
def test_organizations_and_names_of_nobody_are_not_found(db: Database, name: str) -> None:
    world = World(db, 1)
    with pytest.raises(NotFound):
        world.effective.of(SYSTEM, world.tenancy.repositories[0].row, name)


def test_a_thousand_holders_cost_no_more_queries_than_ten(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(db, 3)
    repo = world.tenancy.repositories[0]

    def more(start: int, end: int) -> int:
        def work(tx: Any) -> None:
            for number in range(start, end):
                account = tx.insert(
                    tables.Account, uuid=f"m{number}", name=f"many{number}", kind="user", created_ms=1
                )
                tx.insert(tables.Permission, repository=repo.row.id, account=account, role="read")

        db.write(work)
        asked: list[Any] = []
        rows = db.rows

        def counted(query: Any) -> Any:
            asked.append(query)
            return rows(query)

        with monkeypatch.context() as patch:
            patch.setattr(db, "rows", counted)
            world.effective.everybody(SYSTEM, repo.row)
        return len(asked)

    # People are read 500 at a time.
    assert more(10, 1010) <= more(0, 10) + 4
