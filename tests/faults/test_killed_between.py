"""A process killed before and after each call to storage and each transaction of a push, one by one.

What was acknowledged until then is there and right; the rest leaves nothing behind once swept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from leftovers import leftovers
from protocol import HOST, OCI_CONFIG, OCI_LAYER, Protocol, Repo, manifest, sha256

from quayframe.oci import hashing
from quayframe.services.principal import Principal

LARGEST = 200


class Fuse:
    """Ends the process at the n-th time that it is passed."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def fused(*args: Any, **kwargs: Any) -> Any:
            self()
            result = work(*args, **kwargs)
            self()
            return result

        return fused


def parts(seed: str) -> tuple[bytes, bytes, bytes]:
    """Config, layer and manifest of content that only this seed has."""
    config = json.dumps({"seed": seed}).encode()
    layer = f"layer of {seed}".encode() * 100
    body = manifest(
        (OCI_CONFIG, sha256(config), len(config)), [(OCI_LAYER, sha256(layer), len(layer))], seed=seed
    )
    return config, layer, body


def push(folder: Path, owner: Principal, seed: str, kill_at: int, told: Connection, reread: bool) -> None:
    """In a process of its own: a push that says what was acknowledged, and ends at `kill_at`."""
    if reread:
        hashing.available = lambda: False
    protocol = Protocol(folder)
    name = f"{owner.name}/{seed}"
    repo = Repo(protocol.as_(owner, f"repository:{name}:push,pull"), name, f"http://{HOST}", owner)
    fuse = Fuse(kill_at)
    registry = protocol.registry
    registry.storage._call = fuse.around(registry.storage._call)  # type: ignore[method-assign]
    registry.db.write = fuse.around(registry.db.write)  # type: ignore[method-assign]
    config, layer, body = parts(seed)
    repo.blob(config)
    told.send(("blob", sha256(config)))
    location = repo.begin()
    assert repo.patch(location, layer[:500], 0).status_code == 202
    assert repo.patch(location, layer[500:], 500).status_code == 202
    assert repo.finish(location, sha256(layer)).status_code == 201
    told.send(("blob", sha256(layer)))
    assert repo.put("v1", body).status_code == 201
    told.send(("tag", "v1"))
    told.send(("end", ""))


@pytest.mark.parametrize("reread", [False, True], ids=["hash kept", "hash not kept"])
def test_a_push_killed_at_every_boundary(tmp_path: Path, reread: bool) -> None:
    protocol = Protocol(tmp_path)
    owner = protocol.user()
    context = multiprocessing.get_context("fork")
    # Until the last PUT both go the same way.
    for kill_at in range(20 if reread else 0, LARGEST):
        seed = f"s{kill_at}"
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=push, args=(tmp_path, owner, seed, kill_at, theirs, reread))
        process.start()
        theirs.close()
        told = []
        while True:
            try:
                told.append(ours.recv())
            except EOFError:
                break
        process.join(30)
        examine(protocol, owner, seed, told)
        if ("end", "") in told:
            assert kill_at > 20
            break
        assert process.exitcode == -signal.SIGKILL
    else:
        pytest.fail("the push never came to its end")
    protocol.close()


def examine(protocol: Protocol, owner: Principal, seed: str, told: list[tuple[str, str]]) -> None:
    config, layer, body = parts(seed)
    content = {sha256(config): config, sha256(layer): layer}
    name = f"{owner.name}/{seed}"
    repo = Repo(protocol.as_(owner, f"repository:{name}:pull"), name, f"http://{HOST}", owner)
    acknowledged = {what for kind, what in told if kind == "blob"}

    def right() -> bool:
        for digest, data in content.items():
            found = repo.get(f"blobs/{digest}")
            if found.status_code == 200:
                assert found.content == data
            elif digest in acknowledged:
                return False
        tagged = repo.get("manifests/v1")
        if tagged.status_code == 200:
            assert tagged.content == body
        return tagged.status_code == 200 or ("tag", "v1") not in told

    assert right()
    protocol.registry.collector.sweep(-1000)
    assert right()
    assert leftovers(protocol.registry.db, protocol.data / "storage") == []
