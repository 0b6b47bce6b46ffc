"""Deleted repositories and namespaces go when their window has ended, with all that refers to them."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from collecting_world import HOUR, WINDOW, World, pass_time
from protocol import Protocol, code

from quayframe.data import tables as t
from quayframe.data.content import Policy
from quayframe.data.db import Tx
from quayframe.data.fields import Ref
from quayframe.data.table import Table
from quayframe.data.tenancy import OauthApplication
from quayframe.errors import NameUnknown
from quayframe.oci.names import RepositoryName
from quayframe.services.cascade import referring
from quayframe.services.collecting import Counts
from quayframe.services.principal import SYSTEM


@pytest.fixture
def world(make_protocol: Callable[..., Protocol]) -> World:
    return World(make_protocol())


def fill(tx: Tx, table: type[Table], **known: Any) -> int:
    """A row of any table: what is not said is made up."""
    values = dict(known)
    for field in vars(table)["_meta"].sorted_fields:
        if field.name in values or field.name == "id" or field.null or field.default is not None:
            continue
        kind = type(field).__name__
        values[field.name] = {"Name": secrets.token_hex(8), "Text": "{}"}.get(kind, 1)
        if isinstance(field, Ref) and not field.loose:
            raise AssertionError(f"{table.__name__}.{field.name} must be said")
    return tx.insert(table, **values)


def strangers(
    table: type[Table], ident: int, others: dict[str, int]
) -> list[tuple[type[Table], dict[str, Any]]]:
    """For each column that refers to `table` a row with that column set to `ident`."""
    rows = []
    for column in referring(table):
        values = {column.name: ident}
        for field in vars(column.model)["_meta"].sorted_fields:
            if isinstance(field, Ref) and not field.loose and not field.null and field.name not in values:
                values[field.name] = others.get(field.to, 0)
        rows.append((column.model, values))
    return rows


def test_a_repository_stays_for_its_window_and_then_goes_with_all_it_held(world: World) -> None:
    repo = world.protocol.repo()
    _, image = repo.image("v1")
    repo.index("multi", [image])
    repo.blob()
    world.delete_repository(repo)
    assert not world.later(WINDOW - HOUR).repositories
    assert world.count(t.Tag) == 2

    done = world.later(2 * HOUR)
    assert (done.repositories, done.blobs) == (1, 2)
    assert world.count(t.Repository) == 0
    assert world.is_clean()
    assert repo.owner is not None
    assert world.size(repo.owner.account_id) == 0


def test_every_row_that_refers_to_a_repository_goes_with_it(world: World) -> None:
    repo, other = world.protocol.repo(), world.protocol.repo()
    for one in (repo, other):
        one.image("v1")
    ident = world.repository_id(repo)
    assert repo.owner is not None
    account = repo.owner.account_id

    def say(tx: Tx) -> None:
        known = {"account": account, "repository": ident, "stored_blob": tx.value(t.Blob.select(t.Blob.id))}
        known["manifest"] = tx.value(t.Manifest.select(t.Manifest.id).where(t.Manifest.repository == ident))
        known["tag"] = tx.value(t.Tag.select(t.Tag.id).where(t.Tag.repository == ident))
        for table, values in strangers(t.Repository, ident, known):
            if table not in (t.Tag, t.Manifest, t.RepositoryBlob):
                fill(tx, table, **values)
        subscription = tx.value(t.Subscription.select(t.Subscription.id))
        event = tx.value(t.EventRow.select(t.EventRow.id))
        tx.insert(t.Delivery, event=event, subscription=subscription)

    world.db.write(say)
    world.delete_repository(repo)
    assert world.later(WINDOW + HOUR).repositories == 1
    for column in referring(t.Repository):
        assert world.db.rows(column.model.select(column).where(column == ident)) == []
    assert world.count(t.Delivery) == 0
    assert other.get("manifests/v1").status_code == 200


def test_a_large_repository_goes_in_bounded_transactions(world: World) -> None:
    repo = world.protocol.repo()
    _, body = repo.image("v0")
    for some in range(8):
        tags = "&".join(f"tag=t{some}-{n}" for n in range(90))
        assert repo.do("PUT", f"manifests/v0?{tags}", data=body, headers={"Content-Type": repo_type(body)})
    world.delete_repository(repo)
    assert world.later(WINDOW + HOUR).repositories == 1
    assert world.is_clean()


def repo_type(body: bytes) -> str:
    return str(json.loads(body)["mediaType"])


def test_an_upload_into_a_repository_that_goes_ends_without_a_trace(world: World) -> None:
    repo = world.protocol.repo()
    location = repo.begin()
    assert repo.patch(location, b"half", 0).status_code == 202
    allowed = world.protocol.allowed(repo)
    world.delete_repository(repo)
    assert world.later(WINDOW + HOUR).repositories == 1
    with pytest.raises(NameUnknown):
        world.protocol.registry.uploads.begin(allowed)
    world.protocol.registry.collector.sweep()
    assert world.is_clean()


def test_an_image_is_not_pushed_into_a_repository_that_goes(world: World) -> None:
    repo = world.protocol.repo()
    body = repo.image_body()
    allowed = world.protocol.allowed(repo)
    world.delete_repository(repo)
    with pytest.raises(NameUnknown):
        world.protocol.registry.manifests.push(allowed, body, repo_type(body), tags=("v1",))


def test_the_name_of_a_deleted_repository_is_free_and_the_new_one_stays(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("old")
    world.delete_repository(repo)
    assert repo.owner is not None
    again = world.protocol.repo(repo.owner, repo.path.name)
    again.image("new")
    world.later(WINDOW + HOUR)
    assert again.tags() == ["new"]


def test_a_repository_that_came_back_in_time_stays(world: World) -> None:
    repo = world.protocol.repo()
    repo.image("v1")
    ident = world.repository_id(repo)
    world.delete_repository(repo)
    purging = world.protocol.registry.content.gc_plans._purging
    world.later(WINDOW - HOUR)
    back = t.Repository.update(deleted_ms=None, name=repo.path.name, state="NORMAL")
    world.db.write(lambda tx: tx.run(back.where(t.Repository.id == ident)))
    assert world.db.write(lambda tx: purging._repository(tx, ident)) is None
    assert world.later(2 * HOUR) == Counts()
    assert repo.tags() == ["v1"]


# -- organizations -----------------------------------------------------------------------------------


def organization(world: World, name: str = "acme") -> None:
    registry = world.protocol.registry
    owner = world.protocol.user("boss")
    registry.tenancy.organizations.create(SYSTEM, name, admin="boss")
    registry.tenancy.robots.create(SYSTEM, name, "bot")
    for number in range(3):
        repo = world.protocol.repo(owner, "x")
        full = f"{name}/r{number}"
        inside = type(repo)(world.protocol.as_(owner, f"repository:{full}:push,pull"), full, repo.base, owner)
        inside.image("v1")


def test_an_organization_goes_after_its_window_and_its_name_is_free(world: World) -> None:
    organization(world)
    account = world.db.value(t.Account.select(t.Account.id).where(t.Account.name == "acme"))

    def say(tx: Tx) -> None:
        known = {"account": account, "repository": tx.value(t.Repository.select(t.Repository.id))}
        known["team"] = tx.value(t.Team.select(t.Team.id).where(t.Team.organization == account))
        known["oauth_application"] = fill(tx, OauthApplication, organization=account)
        for table, values in strangers(t.Account, account, known):
            if table not in (t.Account, t.Repository, t.RepositoryBlob):
                fill(tx, table, **values)
        boss = tx.value(t.Account.select(t.Account.id).where(t.Account.name == "boss"))
        fill(tx, t.Token, application=known["oauth_application"], account=boss)

    world.db.write(say)
    registry = world.protocol.registry
    registry.tenancy.organizations.delete(SYSTEM, "acme")
    assert world.later(WINDOW - HOUR).namespaces == 0
    assert world.count(t.Repository) == 3

    done = world.later(2 * HOUR)
    assert (done.repositories, done.namespaces) == (3, 1)
    assert world.is_clean()
    for table in (t.Team, t.TeamMember, t.Permission, t.Token, t.SizeDelta, Policy):
        assert world.count(table) == 0, table.__name__
    assert world.db.rows(t.Account.select(t.Account.name).where(t.Account.kind == "robot")) == []
    registry.tenancy.organizations.create(SYSTEM, "acme", admin="boss")


def test_a_repository_deleted_before_its_organization_goes_before_it(world: World) -> None:
    organization(world)
    registry = world.protocol.registry
    registry.repositories.delete(SYSTEM, RepositoryName("acme", "r0"))
    world.later(3 * HOUR)
    registry.tenancy.organizations.delete(SYSTEM, "acme")
    done = world.later(WINDOW - HOUR)
    assert (done.repositories, done.namespaces) == (1, 0)
    done = world.later(2 * HOUR)
    assert (done.repositories, done.namespaces) == (2, 1)


def test_of_a_deleted_user_only_the_name_stays(world: World) -> None:
    repo = world.protocol.repo()
    assert repo.owner is not None
    repo.image("v1")
    world.protocol.robot(repo.owner)
    world.protocol.registry.tenancy.departures.delete(_superuser(world), repo.owner.name, as_superuser=True)
    assert world.later(WINDOW - HOUR) == Counts()
    assert world.later(2 * HOUR).repositories == 1
    assert world.is_clean()
    rows = world.db.rows(t.Account.select(t.Account.name).where(t.Account.name.startswith(repo.owner.name)))
    assert rows == [(repo.owner.name,)]


def _superuser(world: World) -> Any:
    return dataclasses.replace(world.protocol.user(), superuser=True)


@pytest.mark.parametrize(
    ("key", "left"),
    [
        ("FEATURE_REPOSITORY_GARBAGE_COLLECTION", {"alone"}),
        ("FEATURE_NAMESPACE_GARBAGE_COLLECTION", {"r0", "r1", "r2"}),
    ],
)
def test_each_kind_can_be_switched_off(
    make_protocol: Callable[..., Protocol], key: str, left: set[str]
) -> None:
    world = World(make_protocol(**{key: False}))
    organization(world)
    repo = world.protocol.repo(name="alone")
    repo.image("v1")
    world.delete_repository(repo)
    world.protocol.registry.tenancy.organizations.delete(SYSTEM, "acme")
    world.later(WINDOW + HOUR)
    rows = world.db.rows(t.Repository.select(t.Repository.deleted_name))
    assert {name for (name,) in rows} == left
    assert code(repo.get("manifests/v1")) in ("NAME_UNKNOWN", "UNAUTHORIZED")


def test_what_another_collector_takes_away_in_the_meantime_is_no_trouble(world: World) -> None:
    repo = world.protocol.repo()
    for at in range(12):
        body = repo.image_body()
        repo.put("v1", body)
        repo.index("multi", [body])
        repo.image()
        world.protocol.registry.repositories.delete(SYSTEM, repo.path)
        pass_time(world.db, WINDOW + HOUR)
        asked = 0

        def go(at: int = at) -> bool:
            nonlocal asked
            if asked == at:
                world.collect()
            asked += 1
            return True

        world.protocol.registry.content.garbage.round(go)
        world.collect()
        assert world.left() == {}
        assert asked > 0
        repo = world.protocol.repo()
