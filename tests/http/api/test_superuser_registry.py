"""The registry itself over the API: size, configuration, changes, state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from api_client import ApiMaker, ApiWorld
from api_faults import FORBIDDEN, MISSING, kind, typed

from quayframe.data.db import Tx
from quayframe.data.tables import Blob, Job
from quayframe.worker.loop import Worker


def _add_blob(tx: Tx, *, digest: str, size: int) -> None:
    tx.insert(Blob, digest=digest, size=size, created_ms=1)


def test_the_size_is_counted_by_a_job(api: ApiWorld) -> None:
    root = api.admin
    before = {"size_bytes": 0, "last_ran": None, "queued": False, "running": False}
    assert root.get("superuser/registrysize/").json == before
    first, second = (root.post("superuser/registrysize/") for _ in range(2))
    assert (first.status_code, first.json) == (201, "")
    assert (second.status_code, second.json) == (202, "")
    assert root.get("superuser/registrysize/").json == before | {"queued": True}
    db = api.registry.db
    db.write(lambda tx: tx.insert(Blob, digest="sha256:a", size=5, created_ms=1))
    db.write(lambda tx: tx.insert(Blob, digest="sha256:b", size=2**40, created_ms=1))

    assert Worker(api.registry).work()
    shown = root.get("superuser/registrysize/").json
    assert (shown["size_bytes"], shown["queued"], shown["running"]) == (5 + 2**40, False, False)
    assert isinstance(shown["last_ran"], int)
    assert shown["last_ran"] > 10**12
    assert root.post("superuser/registrysize/").status_code == 201


def test_a_count_that_was_given_up_can_be_asked_for_again(api: ApiWorld) -> None:
    api.admin.post("superuser/registrysize/")
    api.registry.db.write(lambda tx: tx.run(Job.update(dead=1)))

    assert api.admin.post("superuser/registrysize/").status_code == 201


def test_the_changes_are_told_as_markdown(api: ApiWorld) -> None:
    log = api.admin.get("superuser/changelog/").json["log"]

    assert log == (Path(__file__).parents[3] / "CHANGELOG.md").read_text()
    assert log.startswith("# Changes")


def test_the_registry_is_ready(api: ApiWorld) -> None:
    assert api.admin.get("superuser/registrystatus").json == {"provider_id": "file", "status": "ready"}


@pytest.mark.parametrize("path", ["registrysize/", "changelog/", "registrystatus"])
def test_only_superusers_are_told(api: ApiWorld, path: str) -> None:
    assert typed(api.user("ann").get(f"superuser/{path}")) == FORBIDDEN


def test_the_configuration_is_told_without_its_secrets(make_api: ApiMaker) -> None:
    api = make_api(FEATURE_SUPERUSER_CONFIGDUMP=True, SUPER_USERS=["admin"], MAIL_PASSWORD="abc", OURS=5)
    body = api.admin.get("superuser/config").json

    assert set(body) == {"config", "warning", "env", "schema"}
    assert (body["env"], body["schema"], body["warning"]) == ({}, {}, {"OURS": 5})
    assert body["config"]["SECRET_KEY"] == "********** (40)"
    assert body["config"]["MAIL_PASSWORD"] == "*** (3)"
    assert body["config"]["SUPER_USERS"] == ["admin"]
    assert "1" * 40 not in json.dumps(body)
    assert typed(api.user("ann").get("superuser/config")) == FORBIDDEN


def test_the_configuration_is_told_only_where_that_is_wanted(api: ApiWorld) -> None:
    assert kind(api.admin.get("superuser/config")) == MISSING


def test_a_shutdown_is_rehearsed(api: ApiWorld) -> None:
    told = api.admin.post("superuser/shutdown", params={"dry_run": "1"})

    assert (told.status_code, told.json) == (200, {"dry_run": True, "events": []})
    assert typed(api.user("ann").post("superuser/shutdown")) == FORBIDDEN
