"""quayframe backup, backup verify and restore: the whole way, and what they say of damage."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from protocol import Protocol, Repo

from quayframe.cli.root import root
from quayframe.data import tables as t
from quayframe.services.backup import Backup
from quayframe.services.fsck import Asked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def where(protocol: Protocol) -> list[str]:
    return ["--config", str(protocol.data.parent / "config.yaml"), "--data", str(protocol.data)]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(root, [str(one) for one in arguments])


def back_up(protocol: Protocol, folder: Path) -> Result:
    return run("backup", folder, *where(protocol))


def config(tmp_path: Path, name: str = "new", **keys: Any) -> list[str]:
    """A configuration of a registry that is not there yet; its data folder is beside it."""
    file = tmp_path / name / "config.yaml"
    file.parent.mkdir()
    known = {"TESTING": True, "SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40}
    file.write_text(json.dumps(known | keys))
    return ["--config", str(file), "--data", str(file.parent / "data")]


def same(protocol: Protocol, repo: Repo) -> Repo:
    """The repository of another registry, as another one has it."""
    assert repo.owner is not None
    accounts = protocol.registry.accounts
    return protocol.repo(accounts.principal(accounts.get(repo.owner.name)), repo.path.name)


def pull(repo: Repo, tag: str) -> bytes:
    """A manifest whose blobs are all there."""
    answer = repo.get(f"manifests/{tag}")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    for blob in [document["config"], *document["layers"]]:
        assert len(repo.get(f"blobs/{blob['digest']}").content) == blob["size"]
    return bytes(answer.content)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_restored_registry_serves_every_tag(
    kind: str,
    make_protocol: Callable[..., Protocol],
    folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    source = make_protocol()
    repo = source.repo()
    pushed = {f"v{number}": repo.image(f"v{number}")[1] for number in range(5)}
    children = [repo.image()[1], repo.image()[1]]
    repo.index("list", children)
    assert back_up(source, folder).exit_code == 0
    verified = run("backup", "verify", folder)
    assert (verified.exit_code, verified.stdout.startswith("6 tags, 8 manifests, 14 objects")) == (0, True)

    keys = {} if kind == "sqlite" else {"DB_URI": request.getfixturevalue(kind)}
    restored = run("restore", folder, *config(tmp_path, "registry-1", **keys))
    assert restored.exit_code == 0, restored.output
    new = make_protocol(**keys)
    assert new.data.parent == tmp_path / "registry-1"
    assert {tag: pull(same(new, repo), tag) for tag in pushed} == pushed
    assert same(new, repo).get("manifests/list").status_code == 200
    assert list(new.registry.content.fsck.run(Asked(digests=True))) == []
    same(new, repo).image("v9")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_every_tag_acknowledged_before_it_began_is_in_a_backup_during_pushes(
    kind: str,
    make_protocol: Callable[..., Protocol],
    folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    keys = {} if kind == "sqlite" else {"DB_URI": request.getfixturevalue(kind)}
    source = make_protocol(**keys)
    acknowledged: dict[str, dict[str, bytes]] = {}
    stop = threading.Event()
    repos = [source.repo() for _ in range(3)]

    def push(repo: Repo) -> None:
        mine = acknowledged.setdefault(repo.name, {})
        while not stop.is_set():
            tag = f"v{len(mine)}"
            mine[tag] = repo.image(tag)[1]

    threads = [threading.Thread(target=push, args=(repo,)) for repo in repos]
    for thread in threads:
        thread.start()
    try:
        # The second one goes over the first.
        assert back_up(source, folder).exit_code == 0
        before = {name: dict(tags) for name, tags in list(acknowledged.items())}
        result = back_up(source, folder)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert result.exit_code == 0, result.output
    verified = run("backup", "verify", folder)
    assert verified.exit_code == 0, verified.output
    assert any(before.values())
    assert run("restore", folder, *config(tmp_path, "registry-1")).exit_code == 0
    new = make_protocol()
    for repo in repos:
        for tag, body in before[repo.name].items():
            assert pull(same(new, repo), tag) == body


def test_what_is_collected_while_a_backup_runs_is_in_it_still(
    make_protocol: Callable[..., Protocol], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_protocol(DEFAULT_TAG_EXPIRATION="0s")
    repo = source.repo()
    repo.image("v1")
    registry = source.registry
    objects = Backup._objects

    def collect(*args: Any) -> Any:
        assert repo.delete("manifests/v1").status_code == 202
        while registry.content.garbage.round():
            pass
        registry.db.write(lambda tx: tx.run(t.RepositoryBlob.update(expires_ms=1)))
        while registry.content.garbage.round():
            pass
        assert registry.db.rows(t.Blob.select(t.Blob.id)) == []
        assert registry.collector.empty_trash() == 0
        return objects(*args)

    monkeypatch.setattr(Backup, "_objects", collect)
    assert back_up(source, folder).exit_code == 0
    assert run("backup", "verify", folder).stdout.startswith("1 tags, 1 manifests, 2 objects")
    assert registry.collector.empty_trash() == 2


def test_a_second_backup_fetches_what_is_new_and_drops_what_is_gone(
    make_protocol: Callable[..., Protocol], folder: Path
) -> None:
    source = make_protocol()
    repo = source.repo()
    repo.image("v1")
    back_up(source, folder)
    first = {path: path.stat().st_ino for path in folder.glob("objects/*/*/*")}
    stray = next(iter(first)).with_name("0" * 64)
    stray.write_bytes(b"of an older backup")
    repo.image("v2")
    assert back_up(source, folder).exit_code == 0
    second = {path: path.stat().st_ino for path in folder.glob("objects/*/*/*")}
    assert (len(first), len(second), first.items() <= second.items()) == (2, 4, True)
    assert len(list(folder.glob("registry-*"))) == 1
    assert run("backup", "verify", folder).exit_code == 0


def test_damage_is_found_and_its_tags_are_named(make_protocol: Callable[..., Protocol], folder: Path) -> None:
    source = make_protocol()
    repo = source.repo()
    repo.image("good")
    body = json.loads(repo.image("bad")[1])
    back_up(source, folder)
    layer = body["layers"][0]["digest"].removeprefix("sha256:")
    (path,) = folder.glob(f"objects/*/*/{layer}")
    path.write_bytes(b"x" * path.stat().st_size)
    result = run("backup", "verify", folder)
    assert result.exit_code == 1
    assert [line.split(" ")[0] for line in result.stdout.splitlines()[:-1]] == [f"{repo.name}:bad:"]
    assert back_up(source, folder).exit_code == 0
    assert run("backup", "verify", folder).exit_code == 0


def test_a_changed_or_broken_database_is_found(make_protocol: Callable[..., Protocol], folder: Path) -> None:
    source = make_protocol()
    source.repo().image("v1")
    back_up(source, folder)
    (file,) = folder.glob("registry-*")
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE tag SET version = 7")
        db.commit()
    changed = run("backup", "verify", folder)
    assert (changed.exit_code, changed.stdout.splitlines()[0]) == (1, "table tag: not as it was written")
    file.write_bytes(b"no database" * 1000)
    assert "cannot be read" in str(run("backup", "verify", folder).exception)
    file.unlink()
    assert "is not there" in str(run("backup", "verify", folder).exception)


def test_bytes_that_the_storage_lost_are_told(make_protocol: Callable[..., Protocol], folder: Path) -> None:
    source = make_protocol()
    repo = source.repo()
    repo.image("v1")
    location, key = source.registry.db.rows(
        t.BlobPlacement.select(t.BlobPlacement.location, t.BlobPlacement.storage_key)
    )[0]
    source.registry.storage.delete(location, key)
    result = back_up(source, folder)
    assert result.exit_code == 1
    assert result.stderr.startswith("lost: sha256:")
    assert run("backup", "verify", folder).exit_code == 1


def test_a_restore_that_was_killed_is_run_again(
    make_protocol: Callable[..., Protocol], folder: Path, tmp_path: Path
) -> None:
    source = make_protocol()
    repo = source.repo()
    pushed = {f"v{number}": repo.image(f"v{number}")[1] for number in range(20)}
    back_up(source, folder)
    place = config(tmp_path, "registry-1")
    script = (
        "import os, signal, sys\n"
        "from quayframe.services.restore import Restore\n"
        "kept, left = Restore._store, [25]\n"
        "def store(*args):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return kept(*args)\n"
        "Restore._store = store\n"
        "from quayframe.cli import main\n"
        "main()\n"
    )
    arguments = [sys.executable, "-c", script, "restore", str(folder), *place]
    killed = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(Exception, match="not finished"):
        make_protocol()
    again = run("restore", folder, *place)
    assert again.exit_code == 0, again.output
    new = Protocol(tmp_path / "registry-1")
    try:
        assert {tag: pull(same(new, repo), tag) for tag in pushed} == pushed
    finally:
        new.close()


def test_a_restore_refuses_another_key_and_a_database_that_is_not_empty(
    make_protocol: Callable[..., Protocol], folder: Path, tmp_path: Path
) -> None:
    source = make_protocol()
    source.repo().image("v1")
    back_up(source, folder)
    other = run("restore", folder, *config(tmp_path, DATABASE_SECRET_KEY="3" * 40))
    assert "another DATABASE_SECRET_KEY" in str(other.exception)
    full = run("restore", folder, *where(source))
    assert "holds a registry already" in str(full.exception)


def test_a_folder_without_a_whole_backup_is_refused(
    make_protocol: Callable[..., Protocol], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("x")
    result = back_up(make_protocol(), tmp_path)
    assert "holds something that is no backup" in str(result.exception)
    assert "holds no whole backup" in str(run("backup", "verify", tmp_path).exception)
