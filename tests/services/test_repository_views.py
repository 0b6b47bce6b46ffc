"""Lists, counts and search on each database: what they say is the same everywhere."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from quayframe.data import tables
from quayframe.data.db import Database
from quayframe.data.tenancy import Star
from quayframe.errors import Refused
from quayframe.services.access import Access
from quayframe.services.clock import now_ms
from quayframe.services.principal import ANONYMOUS, SYSTEM, Principal
from quayframe.services.renaming import rename
from quayframe.services.repository_views import DAY_MS, RepositoryViews, Wanted
from quayframe.services.search import Hit, Search
from quayframe.services.stars import Stars


class Place:
    """The user ann, her organization acme, the user bob; repositories made by rows."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.access = Access(db)
        self.views = RepositoryViews(db, self.access, tag_expiration_s=60)
        self.search = Search(db, self.access)
        self.stars = Stars(db, self.access)
        self.ann, self.bob, self.acme = (
            self.account("ann"),
            self.account("bob"),
            self.account("acme", "organization"),
        )
        row = {"uuid": secrets.token_hex(8), "organization": self.acme.account_id}
        self.team = self.insert(tables.Team, name="owners", role="admin", **row)
        self.insert(tables.TeamMember, team=self.team, account=self.ann.account_id)

    def insert(self, table: Any, **values: Any) -> int:
        return self.db.write(lambda tx: tx.insert(table, **values))

    def account(self, name: str, kind: str = "user", **more: Any) -> Principal:
        uid = secrets.token_hex(8)
        row = {"uuid": uid, "name": name, "kind": kind, "created_ms": now_ms()}
        return Principal(kind, self.insert(tables.Account, **row, **more), uid, name)

    def repository(self, owner: Principal, name: str, visibility: str = "private", **more: Any) -> int:
        row = {"uuid": secrets.token_hex(8), "namespace": owner.account_id, "created_ms": 1}
        return self.insert(tables.Repository, name=name, visibility=visibility, **row, **more)

    def listed(self, principal: Principal, **wanted: Any) -> list[str]:
        found, _ = self.views.page(principal, Wanted(**wanted))
        return [f"{one.namespace}/{one.name}" for one in found]

    def found(self, principal: Principal, query: str) -> list[str]:
        return [hit.repository.name for hit in self.search.repositories(principal, query)]


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


def test_lists_hold_what_each_may_see(place: Place) -> None:
    place.repository(place.acme, "zeta")
    place.repository(place.acme, "alpha", "public")
    shared = place.repository(place.acme, "shared")
    place.repository(place.bob, "mine")
    place.insert(tables.Permission, repository=shared, account=place.bob.account_id, role="read")
    place.repository(place.acme, "gone", deleted_ms=1)

    assert place.listed(place.ann, namespace="acme") == ["acme/zeta", "acme/alpha", "acme/shared"]
    assert place.listed(place.bob, namespace="acme") == ["acme/shared"]
    assert place.listed(place.bob, namespace="acme", public=True) == ["acme/alpha", "acme/shared"]
    assert place.listed(place.bob, namespace="bob") == ["bob/mine"]
    assert place.listed(ANONYMOUS, public=True) == ["acme/alpha"]
    assert place.listed(ANONYMOUS, namespace="acme") == place.listed(place.bob, namespace="nowhere") == []
    assert place.listed(SYSTEM, namespace="acme") == ["acme/zeta", "acme/alpha", "acme/shared"]


def test_stars_are_listed_with_their_owner_alone(place: Place) -> None:
    first = place.repository(place.acme, "one")
    place.repository(place.acme, "two")
    place.insert(Star, account=place.ann.account_id, repository=first, created_ms=1)

    assert place.listed(place.ann, starred=True) == ["acme/one"]
    assert place.listed(place.bob, starred=True) == []
    assert [one.name for one in place.stars.page(place.ann)[0]] == ["one"]
    assert place.views.stars([first]) == {first: 1}


def test_what_was_done_is_counted_by_day(place: Place) -> None:
    ident = place.repository(place.acme, "app")
    today = now_ms() // DAY_MS * DAY_MS
    for at in (today, today - 1, today - 2, today - DAY_MS - 1):
        place.insert(tables.EventRow, kind="pull_repo", at_ms=at, repository=ident, data="{}")
    row = place.access.repository("acme", "app")
    assert row is not None
    counts = [count for _, count in place.views.statistics(row)]

    assert counts == [2, 1, *[0] * 89]
    assert place.views.popularity([ident]) == {ident: 3.0}


def test_search_ranks_and_escapes(place: Place) -> None:
    for name in ("app", "my-app", "app-server", "a%p", "other"):
        place.repository(place.acme, name, description="An Apple" if name == "other" else None)

    assert place.found(place.ann, "app") == ["app", "app-server", "my-app", "other"]
    assert place.found(place.ann, "a%p") == ["a%p"]
    assert place.found(place.ann, "\\") == place.found(place.bob, "app") == []
    assert place.found(place.ann, "") == ["app", "my-app", "app-server", "a%p", "other"]
    assert place.found(place.ann, "acme/my") == ["my-app"]
    kinds = [
        type(one).__name__ if isinstance(one, Hit) else one.kind
        for one in place.search.everything(place.ann, "owners")
    ]
    assert kinds == ["team"]


def test_entities_are_found_by_a_range_of_names(place: Place) -> None:
    place.account("acme+bot", "robot", owner=place.acme.account_id)
    place.account("acmebot")
    names = [one.name for one in place.search.entities(place.ann, "b", namespace="acme")]

    assert names == ["acme+bot", "bob"]
    assert [one.name for one in place.search.entities(place.ann, "acme")] == ["acmebot"]


# -- renaming -----------------------------------------------------------------------------------------


def names(place: Place) -> list[str]:
    return [
        n for (n,) in place.db.rows(tables.Account.select(tables.Account.name).order_by(tables.Account.id))
    ]


def test_robots_are_renamed_with_their_owner(place: Place) -> None:
    place.account("acme+bot", "robot", owner=place.acme.account_id)
    place.account("acme+old", "robot", owner=place.acme.account_id, deleted_ms=1)
    assert place.acme.account_id is not None
    ident = place.acme.account_id
    place.db.write(lambda tx: rename(tx, ident, "acme", "new"))

    assert names(place) == ["ann", "bob", "new", "new+bot", "new+old"]
    epochs = place.db.rows(tables.Account.select(tables.Account.auth_epoch).order_by(tables.Account.id))
    assert [epoch for (epoch,) in epochs] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("name", ["bob", "Bob", "x", "x" * 256, "a+b", ""])
def test_a_name_that_cannot_be_had_changes_nothing(place: Place, name: str) -> None:
    assert place.acme.account_id is not None
    ident = place.acme.account_id

    with pytest.raises(Refused):
        place.db.write(lambda tx: rename(tx, ident, "acme", name))
    assert names(place) == ["ann", "bob", "acme"]


def test_a_name_that_a_robot_of_another_has_is_refused(place: Place) -> None:
    """`new` is free, `new+bot` is not."""
    place.account("acme+bot", "robot", owner=place.acme.account_id)
    place.account("new+bot", "robot", owner=place.bob.account_id)
    assert place.acme.account_id is not None
    ident = place.acme.account_id

    with pytest.raises(Refused):
        place.db.write(lambda tx: rename(tx, ident, "acme", "new"))
    assert names(place) == ["ann", "bob", "acme", "acme+bot", "new+bot"]
