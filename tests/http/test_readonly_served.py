"""A read-only registry as it is served: its database takes no writes, its storage is a folder that it may
not write; nodes start, real clients log in and pull, pushes are refused as such, and nothing fails."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from clients import Workstation, need, small_image
from servers import Postgresql
from test_readonly import freeze

from quayframe.testing.server import RegistryServer

KEYS = {"SECRET_KEY": "s" * 40, "DATABASE_SECRET_KEY": "d" * 40}
PLAIN, TO_PLAIN, FROM_PLAIN = "--tls-verify=false", "--dest-tls-verify=false", "--src-tls-verify=false"


def without_powers(folder: Path) -> str:
    """A Python that may write only what its account may, also where that is root."""
    if os.geteuid() != 0:
        return sys.executable
    need("setpriv")
    script = folder / "python"
    powers = "--bounding-set=-all --inh-caps=-all --ambient-caps=-all"
    script.write_text(f'#!/bin/sh\nexec setpriv {powers} {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


@dataclass
class Served:
    server: RegistryServer
    machine: Workstation
    storage: Path

    @property
    def image(self) -> str:
        return f"docker://{self.server.host}/ann/app:1"


def protect(folder: Path, mode: int) -> None:
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        path.chmod(mode)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Postgresql) -> Iterator[Served]:
    need("skopeo")
    folder, database = tmp_path_factory.mktemp("readonly"), postgresql_server.new_database()
    storage = folder / "storage"
    config = KEYS | {
        "DB_URI": database,
        "DISTRIBUTED_STORAGE_CONFIG": {"default": ["LocalStorage", {"storage_path": str(storage)}]},
        "FEATURE_IMAGE_PULL_STATS": True,
        "FEATURE_AUTO_PRUNE": True,
    }
    server = RegistryServer(folder / "node", config, ["--workers", "1"])
    found = Served(server, Workstation(folder / "machine"), storage)
    server.prepare()
    server.cli("migrate")
    server.start()
    try:
        found.machine.know(server.host, *server.user("ann"))
        layout = small_image(found.machine.work / "image")
        found.machine.run("skopeo", "copy", TO_PLAIN, f"oci:{layout.folder}:1", found.image)
        server.stop()
        freeze(database)
        protect(storage, 0o555)
        server.config = config | {"REGISTRY_STATE": "readonly"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "executable", without_powers(folder))
            server.start()
            yield found
    finally:
        server.stop()
        protect(storage, 0o755)


def test_real_clients_log_in_and_pull_and_are_told_why_they_may_not_push(served: Served) -> None:
    machine, server = served.machine, served.server
    login = ("skopeo", "login", PLAIN, "-u", "ann", "--password-stdin", server.host)
    assert "Login Succeeded" in machine.run(*login, stdin="correct-horse")
    back = machine.work / "back"
    machine.run("skopeo", "copy", FROM_PLAIN, served.image, f"dir:{back}")
    assert (back / "manifest.json").is_file()
    push = ("skopeo", "copy", TO_PLAIN, f"dir:{back}", f"{served.image}-new")
    assert "read-only" in machine.refused(*push)
    assert "read-only" in machine.refused("skopeo", "delete", PLAIN, served.image)


def test_health_is_seen_without_a_write(served: Served) -> None:
    for kind in ("instance", "endtoend"):
        answer = requests.get(f"{served.server.url}/health/{kind}", timeout=30)
        assert (answer.status_code, set(answer.json()["data"]["services"].values())) == (200, {True})


def test_it_is_copied_while_it_serves(served: Served, tmp_path: Path) -> None:
    said = served.server.cli("db", "copy", "--to", f"sqlite:///{tmp_path}/copy.db")
    assert "tables are equal on both sides" in said
    copy = tmp_path / "copied"
    shutil.copytree(served.storage, copy)
    protect(copy, 0o755)
    place = {"DISTRIBUTED_STORAGE_CONFIG": {"default": ["LocalStorage", {"storage_path": str(copy)}]}}
    config = KEYS | place | {"DB_URI": f"sqlite:///{tmp_path}/copy.db"}
    other = RegistryServer(tmp_path / "other", config, ["--workers", "1"])
    other.start()
    try:
        served.machine.know(other.host, "ann", "correct-horse")
        source = f"docker://{other.host}/ann/app:1"
        served.machine.run("skopeo", "copy", FROM_PLAIN, source, f"dir:{served.machine.work / 'again'}")
    finally:
        other.stop()


def test_the_doctor_finds_nothing_and_writes_nothing(served: Served) -> None:
    before = sorted(served.storage.rglob("*"))
    assert "the registry is read-only, so nothing was written" in served.server.cli("doctor")
    assert sorted(served.storage.rglob("*")) == before


def test_commands_that_change_something_are_refused(served: Served) -> None:
    for command in (["user", "create", "bob"], ["gc", "run"], ["sweep"], ["fsck", "--repair"]):
        with pytest.raises(RuntimeError, match="read-only"):
            served.server.cli(*command)
    assert "ann" in served.server.cli("user", "list")
    assert "nothing is wrong" in served.server.cli("fsck", "--digests")


def test_nobody_tries_to_write(served: Served) -> None:
    """Neither web nor worker: their logs know no failure."""
    requests.get(f"{served.server.url}/v2/auth", auth=("ann", "wrong"), timeout=30)
    log = served.server.log.read_text()
    _, _, log = log.rpartition("Quayframe is ready at")
    assert re.findall(r".*(?:error|warning|Traceback| 50\d ).*", log, re.IGNORECASE) == []
