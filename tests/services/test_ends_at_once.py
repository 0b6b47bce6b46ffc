"""What ends tags, and what looks at what they kept, at the same moment, where rows are locked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from collecting_world import WINDOW, World, pass_time
from protocol import OCI_CONFIG, OCI_LAYER, Protocol, manifest, sha256

from quayframe.data import tables as t
from quayframe.data.db import MYSQL, POSTGRESQL, Database, Tx
from quayframe.services.collecting import MARK
from quayframe.services.policies import Owner, prune

DEADLINE_S = 30
WAITING = {
    POSTGRESQL: "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    MYSQL: "information_schema.processlist WHERE db = DATABASE() AND command = 'Query' AND time_ms > 300",
}


class Two:
    """One registry twice, on one database."""

    def __init__(self, folder: Path, uri: str) -> None:
        keys = {"DB_URI": uri, "FEATURE_AUTO_PRUNE": True}
        self.one, self.other = Protocol(folder, keys), Protocol(folder, keys)
        self.db: Database = self.other.registry.db

    def waits(self) -> bool:
        """Whether somebody waits for a lock."""
        return bool(self.db.sql_rows(f"SELECT COUNT(*) FROM {WAITING[self.db.dialect]}")[0][0])

    def held(self, number: int, first: Callable[[], Any], second: Callable[[], Any]) -> bool:
        """Runs `first` by `one` up to the commit of its transaction `number`, `second` until it is done or
        waits, then both to the end. False = there is no such transaction."""
        db = self.one.registry.db
        write, left = db.write, [number]
        reached, go = threading.Event(), threading.Event()

        def counting(work: Callable[[Tx], Any]) -> Any:
            left[0] -= 1
            if left[0] != -1:
                return write(work)

            def stopped(tx: Tx) -> Any:
                result = work(tx)
                reached.set()
                assert go.wait(DEADLINE_S)
                return result

            return write(stopped)

        db.write = counting  # type: ignore[method-assign]
        with ThreadPoolExecutor(2) as pool:
            try:
                one: Future[Any] = pool.submit(first)
                _until(lambda: reached.is_set() or one.done())
                other: Future[Any] = pool.submit(second)
                _until(lambda: other.done() or self.waits())
            finally:
                go.set()
                db.write = write  # type: ignore[method-assign]
            one.result(DEADLINE_S)
            other.result(DEADLINE_S)
        return reached.is_set()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.005)


@pytest.fixture(params=["postgresql", "mariadb"])
def two(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Two]:
    made = Two(tmp_path, str(request.getfixturevalue(request.param)))
    yield made
    made.one.close()
    made.other.close()


def test_a_signature_stays_whose_image_gets_a_tag_as_it_loses_another(two: Two) -> None:
    repo = two.one.repo()
    digest, body = repo.image("a")
    mark = f"{digest.replace(':', '-')}.sig"
    repo.image(mark)
    again = repo.with_(two.other.session(repo.bearer))

    assert two.held(0, lambda: repo.delete("manifests/a"), lambda: again.put("b", body))
    assert set(repo.tags()) == {"b", mark}


def test_a_signature_stays_whose_image_gets_a_tag_as_another_is_pruned(two: Two) -> None:
    repo = two.one.repo()
    assert repo.owner is not None
    digest, body = repo.image("a")
    mark = f"{digest.replace(':', '-')}.sig"
    repo.image(mark)
    namespace = two.one.registry.access.namespace(repo.owner.name)
    assert namespace is not None
    policy = prune("number_of_tags", 1)
    repo.image("new")
    two.one.registry.content.policies.create(repo.owner, Owner(namespace), policy)
    again = repo.with_(two.other.session(repo.bearer))
    pruned = two.one.registry.content.pruning.round

    assert two.held(0, lambda: pruned(lambda: True), lambda: again.put("b", body))
    assert set(repo.tags()) == {"b", "new", mark}


def ended_before(manifest_id: int, tx: Tx) -> None:
    """The period of the tag `a` has ended, and its manifest is a candidate."""
    for table in (t.TagInterval, t.Tag):
        tx.run(table.delete().where(table.name == "a"))
    tx.insert(t.ManifestHold, manifest=manifest_id, reason=MARK, expires_ms=0)


def test_two_collectors_forget_no_manifest(two: Two) -> None:
    for number in range(20):
        repo = two.one.repo()
        _, body = repo.image("a")
        repo.put("b", body)
        for tag in ("a", "b"):
            assert repo.delete(f"manifests/{tag}").status_code == 202
        pass_time(two.db, 2 * WINDOW)
        ident = two.db.value(t.Manifest.select(t.Manifest.id).where(t.Manifest.digest == sha256(body)))
        # The other one has ended one of the two periods before, and looks now.
        two.db.write(partial(ended_before, ident))
        garbage: Any = two.other.registry.content.garbage
        looking = partial(garbage._collection._manifests, lambda: True)
        if not two.held(number, two.one.registry.content.garbage.round, looking):
            assert number > 1
            return
        World(two.other).collect()
        assert two.db.rows(t.Manifest.select(t.Manifest.id).where(t.Manifest.id == ident)) == []
    pytest.fail("it never came to an end")


def test_a_blob_that_comes_back_as_its_last_manifest_goes_is_not_linked_for_good(two: Two) -> None:
    for number in range(20):
        repo = two.one.repo()
        data = b"the layer of round %d" % number
        layer, _ = repo.blob(data)
        config, _ = repo.blob(b"{}")
        body = manifest((OCI_CONFIG, config, 2), [(OCI_LAYER, layer, len(data))])
        assert repo.put("v1", body).status_code == 201
        assert repo.delete(f"blobs/{layer}").status_code == 202
        assert repo.delete("manifests/v1").status_code == 202
        pass_time(two.db, 2 * WINDOW)
        garbage: Any = two.other.registry.content.garbage
        garbage._collection._intervals(lambda: True)
        looking = partial(garbage._collection._manifests, lambda: True)
        upload = partial(repo.do, "POST", f"blobs/uploads/?digest={layer}", data=data)
        if not two.held(number, upload, looking):
            assert number > 1
            return
        looking()
        endless = t.RepositoryBlob.expires_ms.is_null()
        assert two.db.rows(t.RepositoryBlob.select(t.RepositoryBlob.id).where(endless)) == []
    pytest.fail("it never came to an end")
