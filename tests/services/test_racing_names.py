"""Of several who want one name at once one gets it, on each database; the others are told so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from people_world import kinds, person
from protocol import Protocol

from quayframe.errors import InvalidRequest, Refused, RegistryError
from quayframe.oci.names import RepositoryName
from quayframe.registry import Registry

Act = Callable[[], object]


@pytest.fixture
def registry(database_uri: str, make_protocol: Callable[..., Protocol]) -> Registry:
    config: dict[str, Any] = {"SUPER_USERS": ["admin"], "FEATURE_MAILING": False, "DB_URI": database_uri}
    return make_protocol(**config).registry


def at_once(acts: list[Act]) -> list[RegistryError | None]:
    """What became of each: None, or the error."""
    told: list[RegistryError | None] = []
    gate = threading.Barrier(len(acts))

    def run(act: Act) -> None:
        gate.wait(30)
        try:
            act()
        except RegistryError as error:
            told.append(error)
        else:
            told.append(None)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(told) == len(acts)
    return told


def one_got_it(told: list[RegistryError | None], refusal: type[RegistryError]) -> None:
    assert told.count(None) == 1
    assert {type(error) for error in told if error is not None} == {refusal}


def test_a_repository_is_made_once(registry: Registry) -> None:
    ann = person(registry, "ann")
    name = RepositoryName("ann", "app")
    told = at_once([lambda: registry.repositories.create(ann, name, "private")] * 4)

    one_got_it(told, InvalidRequest)
    assert kinds(registry).count("create_repo") == 1


def test_a_user_is_made_once(registry: Registry) -> None:
    root = person(registry, "admin")
    told = at_once([lambda: registry.tenancy.superusers.create(root, "new", None)] * 3)

    one_got_it(told, Refused)
    assert kinds(registry).count("user_create") == 2


def test_an_address_is_given_once(registry: Registry) -> None:
    root = person(registry, "admin")
    for name in ("ann", "bob", "cat"):
        person(registry, name)
    change = registry.tenancy.superusers.change
    told = at_once([partial(change, root, name, email="one@x.org") for name in ("ann", "bob", "cat")])

    one_got_it(told, Refused)


def test_one_of_two_organizations_gets_the_name(registry: Registry) -> None:
    root = person(registry, "admin")
    for name in ("one", "two"):
        registry.tenancy.organizations.create(root, name)
    rename = registry.tenancy.ownership.rename
    told = at_once([lambda: rename(root, "one", "new"), lambda: rename(root, "two", "new")])

    one_got_it(told, Refused)
    assert registry.accounts.get("new").kind == "organization"
    assert kinds(registry).count("org_change_name") == 1


def test_a_repository_made_while_its_namespace_ends_ends_with_it(registry: Registry) -> None:
    """Whichever comes first: no repository is left in a namespace that is gone."""
    root, ann = person(registry, "admin"), person(registry, "ann")
    names = [RepositoryName("ann", name) for name in ("one", "two", "three")]
    acts: list[Act] = [partial(registry.repositories.create, ann, name, "public") for name in names]
    acts.append(partial(registry.tenancy.departures.delete, root, "ann", as_superuser=True))
    at_once(acts)

    assert registry.accounts.find("ann") is None
    for name in names:
        assert registry.access.repository(*name) is None
    found, _ = registry.repositories.catalog(root, last=None, limit=10, public=True)
    assert found == []
