"""REGISTRY_STATE readonly on a database that truly cannot be written, and DISABLE_PUSHES: pulls and log-ins
go on, writes are refused as such, and nothing fails for want of a write."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from api_client import ApiWorld
from protocol import Protocol, Repo, code, sha256

from quayframe.data import tables as t
from quayframe.services.policies import Owner, prune
from quayframe.worker.loop import Worker

Make = Callable[..., Protocol]
NAME, PASSWORD = "frozen", "correct-horse"
KEYS = {"SECRET_KEY": "s" * 40, "DATABASE_SECRET_KEY": "d" * 40}


def freeze(uri: str, frozen: bool = True) -> None:
    """Lets new connections only read, or write again."""
    with psycopg.connect(uri, autocommit=True) as conn:
        name = uri.rpartition("/")[2]
        conn.execute("SET default_transaction_read_only = off")
        conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if frozen else 'off'}")


class Frozen:
    """A registry that was written to before, and is read only now."""

    def __init__(self, make: Make, uri: str, folder: Path) -> None:
        config = {
            "TESTING": True,
            "DB_URI": uri,
            "DISTRIBUTED_STORAGE_CONFIG": {"default": ["LocalStorage", {"storage_path": str(folder)}]},
            "FEATURE_IMAGE_PULL_STATS": True,
            "FEATURE_AUTO_PRUNE": True,
            "FEATURE_USER_LAST_ACCESSED": True,
            "SUPER_USERS": [NAME],
            "FEATURE_SUPERUSERS_FULL_ACCESS": True,
            **KEYS,
        }
        before = make(**config)
        self.repo = before.repo(before.user(NAME, PASSWORD))
        self.digest, self.body = self.repo.image("v1")
        self.blob, self.data = self.repo.blob()
        assert self.repo.owner is not None
        namespace = before.registry.access.namespace(self.repo.owner.name)
        assert namespace is not None
        policies = before.registry.content.policies
        policies.create(self.repo.owner, Owner(namespace), prune("number_of_tags", 1))
        before.close()
        freeze(uri)
        self.protocol = make(**config, REGISTRY_STATE="readonly")
        # The machine's own key, which was published when it could be.
        shutil.copy(before.data / "instance.pem", self.protocol.data / "instance.pem")
        accounts = self.protocol.registry.accounts
        owner = accounts.principal(accounts.get(self.repo.owner.name))
        self.again: Repo = self.protocol.repo(owner, self.repo.path.name)


@pytest.fixture
def frozen(make_protocol: Make, postgresql: str, tmp_path: Path) -> Frozen:
    return Frozen(make_protocol, postgresql, tmp_path / "storage")


def test_pulls_go_on(frozen: Frozen) -> None:
    assert frozen.again.get("manifests/v1").content == frozen.body
    assert frozen.again.get(f"manifests/{frozen.digest}").content == frozen.body
    assert frozen.again.get(f"blobs/{frozen.blob}").content == frozen.data
    assert frozen.again.head(f"blobs/{frozen.blob}").status_code == 200
    assert frozen.again.get("tags/list").json()["tags"] == ["v1"]
    assert frozen.again.get(f"referrers/{frozen.digest}").status_code == 200


def test_writes_are_refused_as_such(frozen: Frozen) -> None:
    repo = frozen.again
    answers = {
        "blob": repo.do("POST", "blobs/uploads/"),
        "whole blob": repo.do("POST", f"blobs/uploads/?digest={sha256(b'x')}", data=b"x"),
        "manifest": repo.put("v2", frozen.body),
        "delete": repo.delete(f"manifests/{frozen.digest}"),
        "delete of a tag": repo.delete("manifests/v1"),
        "delete of a blob": repo.delete(f"blobs/{frozen.blob}"),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 405)
    assert {code(answer) for answer in answers.values()} == {"DENIED"}


def test_the_api_is_read_and_not_written(frozen: Frozen) -> None:
    """Every operation of the API, as its owner and superuser calls it: none fails."""
    api = ApiWorld(frozen.protocol)
    owner = api.session(NAME)
    found: dict[str, int] = {}
    for rule, verbs in operations(frozen):
        for verb in verbs:
            answer = owner.do(verb, rule, {} if verb in ("POST", "PUT") else None)
            found[f"{verb} {rule}"] = answer.status_code
    reads = {one: status for one, status in found.items() if one.startswith("GET ")}
    writes = {one: status for one, status in found.items() if not one.startswith("GET ")}
    assert len([status for status in reads.values() if status == 200]) > 20
    assert len(writes) > 40
    assert [one for one, status in reads.items() if status >= 500] == []
    assert [one for one, status in writes.items() if status != 503] == []


def operations(frozen: Frozen) -> list[tuple[str, list[str]]]:
    """(path, methods) of what is described, about the owner and the repository where a path names one."""
    described = ApiWorld(frozen.protocol).anonymous.get("discovery").json["paths"]
    names = {"repository": frozen.again.path.full, "manifestref": frozen.digest, "orgname": "none"}
    names |= {"username": NAME, "tag": "v1"}
    return [
        (re.sub(r"{(\w+)}", lambda part: names.get(part[1], "none"), path), [verb.upper() for verb in verbs])
        for path, verbs in described.items()
    ]


def test_log_ins_go_on_and_guesses_are_slowed_down(frozen: Frozen) -> None:
    def ask(password: str) -> int:
        session = frozen.protocol.session()
        params = {"service": "registry.test", "scope": f"repository:{frozen.again.path.full}:pull"}
        url = "http://registry.test/v2/auth"
        return session.get(url, params=params, auth=(NAME, password), timeout=30).status_code

    assert ask(PASSWORD) == 200
    assert [ask(f"wrong {number}") for number in range(3)] == [401, 429, 429]


def test_the_worker_writes_nothing(frozen: Frozen, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(frozen.protocol.registry)
    thread = threading.Thread(target=worker.run)
    thread.start()
    thread.join(1)
    worker.stop()
    thread.join(30)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_without_pushes_all_else_goes_on(make_protocol: Make) -> None:
    protocol = make_protocol(DISABLE_PUSHES=True)
    repo = protocol.repo()
    answer = repo.do("POST", "blobs/uploads/")
    assert (answer.status_code, code(answer)) == (405, "METHOD NOT ALLOWED")
    assert protocol.registry.db.rows(t.Upload.select(t.Upload.id)) == []
