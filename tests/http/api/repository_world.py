"""Repositories in a registry, as the tests of the API make them."""

from __future__ import annotations

from typing import Any

from api_client import ApiWorld, Caller, Result

from quayframe.data.tables import Permission


def create(caller: Caller, name: str = "app", **more: Any) -> Result:
    body = {"repository": name, "visibility": "private", "description": ""} | more
    return caller.post("repository", body)


def owner(api: ApiWorld) -> Caller:
    """The user ann, with the private repository `ann/app` and the public one `ann/open`."""
    ann = api.user("ann")
    assert create(ann).status_code == 201
    assert create(ann, "open", visibility="public").status_code == 201
    return ann


def names(result: Result) -> list[str]:
    assert result.status_code == 200, result.text
    return [f"{r['namespace']}/{r['name']}" for r in result.json["repositories"]]


def grant(api: ApiWorld, who: str, repository: str, role: str) -> None:
    db, access = api.registry.db, api.registry.access
    namespace, _, name = repository.partition("/")
    row = access.repository(namespace, name)
    account = api.registry.accounts.get(who)
    assert row is not None
    db.write(lambda tx: tx.insert(Permission, repository=row.id, account=account.id, role=role))
