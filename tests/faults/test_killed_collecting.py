"""kill -9 at any moment of a registry on which clients push, move, delete and restore tags, and whose
collector never rests: nothing acknowledged is lost, and nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import requests
from leftovers import leftovers
from protocol import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Repo, index, manifest, sha256
from test_killed import ended, until

from quayframe.cli.common import opened
from quayframe.data import tables
from quayframe.data.db import Tx
from quayframe.errors import Unavailable
from quayframe.registry import Registry
from quayframe.services.clock import now_ms
from quayframe.services.crypto import new_token
from quayframe.services.fsck import Asked
from quayframe.services.principal import SYSTEM
from quayframe.testing.fixtures import MakeServer
from quayframe.testing.server import RegistryServer

WINDOWS_S = {"admin": 0, "acme": 2}
"""Of the namespaces. What a tag of `admin` loses goes at once, what one of `acme` loses in two seconds."""
HOLD_S = 4
"""How long an upload is held without a manifest, and a child without an index."""
CONFIG = {
    "TAG_EXPIRATION_OPTIONS": ["0s", "2s"],
    "DEFAULT_TAG_EXPIRATION": "0s",
    "GARBAGE_COLLECTION_FREQUENCY": 1,
    "PUSH_TEMP_TAG_EXPIRATION_SEC": HOLD_S,
}
CLIENTS = 4
TAGS = 3
LAYERS = [f"a layer that many images share {number}".encode() * 500 for number in range(5)]


class Away(Exception):
    """The registry has died, or is too busy: nobody knows whether the act is done."""


class TooLate(Exception):
    """So slow was this machine that what was uploaded or asked for was not held any more."""


@dataclass(frozen=True)
class Image:
    """A manifest and all that it reaches."""

    body: bytes
    media_type: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    children: tuple[Image, ...] = ()

    @property
    def digest(self) -> str:
        return sha256(self.body)


class Client:
    """One client with tags of its own, in a repository that it shares with others. `may` are, by tag, the
    images that the tag may name now, None = none: more than one where an act was not acknowledged."""

    def __init__(self, server: RegistryServer, name: str, number: int, bearer: str, seed: str) -> None:
        self.server = server
        self.name = name
        self.tags = [f"t{number}-{at}" for at in range(TAGS)]
        self.may: dict[str, list[Image | None]] = {tag: [None] for tag in self.tags}
        self.past: dict[str, list[tuple[float, Image]]] = {tag: [] for tag in self.tags}
        self.acknowledged = 0
        self.error: BaseException | None = None
        self._bearer = bearer
        self._chance = random.Random(seed)
        self._made = 0
        self._number = number
        self._images: list[Image] = []
        self._session = requests.Session()

    @property
    def repo(self) -> Repo:
        return Repo(self._session, self.name, self.server.url)

    def log_in(self) -> None:
        token = self.server.token(self.server.admin, f"repository:{self.name}:push,pull")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def run(self) -> None:
        """Acts until the registry dies."""
        try:
            while True:
                with suppress(TooLate):
                    self._act()
                    self.acknowledged += 1
        except (requests.RequestException, Away):
            return
        except BaseException as error:
            self.error = error

    # -- acts -----------------------------------------------------------------------------------

    def _act(self) -> None:
        acts = (
            self._push,
            self._push_again,
            self._pull,
            self._delete,
            self._delete_by_digest,
            self._restore,
        )
        self._chance.choices(acts, (4, 3, 2, 2, 1, 2))[0](self._chance.choice(self.tags))

    def _push(self, tag: str) -> None:
        image = self._image()
        if self._chance.random() < 0.3:
            image = self._index([image, self._image()])
        self._images = [*self._images[-5:], image]
        self._put(tag, image)

    def _push_again(self, tag: str) -> None:
        """Something that was here, and may have been collected since."""
        if self._images:
            self._put(tag, self._chance.choice(self._images))

    def _put(self, tag: str, image: Image) -> None:
        began = time.monotonic()
        for child in image.children:
            self._upload(child)
        if time.monotonic() - began > HOLD_S / 2:
            raise TooLate
        self._upload(image, tag)

    def _pull(self, tag: str) -> None:
        self._check(tag)

    def _delete(self, tag: str) -> None:
        status = 404 if self.may[tag] == [None] else 202
        self._change(tag, None, (status,), lambda: self.repo.delete(f"manifests/{tag}"))

    def _delete_by_digest(self, tag: str) -> None:
        """Of what the tag names; other tags of this client may name it too."""
        (image,) = self.may[tag]
        if image is None:
            return
        concerned = [one for one in self.tags if self.may[one] == [image]]
        for one in concerned:
            self.may[one] = [image, None]
        began = time.time()
        _answered(self.repo.delete(f"manifests/{image.digest}"), 202)
        for one in concerned:
            self.may[one] = [None]
            # It can come back by a restore: the window is that of its tag.
            self.past[one].append((began, image))

    def _restore(self, tag: str) -> None:
        """A manifest of a moment ago; where the window has not ended it must be there."""
        if not self.past[tag]:
            return
        since, image = self.past[tag][-1]
        before = self.may[tag]

        def act() -> requests.Response:
            return self._session.post(
                f"{self.server.url}/api/v1/repository/{self.name}/tag/{tag}/restore",
                json={"manifest_digest": image.digest},
                headers={"Authorization": f"Bearer {self._bearer}"},
                timeout=60,
            )

        answer = self._change(tag, image, (200, 404), act)
        if answer.status_code == 404:
            self.may[tag] = before
            late = time.time() - since
            assert late > WINDOWS_S[self.name.partition("/")[0]], f"{tag} was not restored after {late} s"

    def _change(
        self, tag: str, image: Image | None, expected: tuple[int, ...], act: Callable[[], requests.Response]
    ) -> requests.Response:
        """The tag names `image` when this is acknowledged; until then nobody knows."""
        before, began = self.may[tag], time.time()
        self.may[tag] = [*before, image]
        answer = _answered(act(), *expected)
        self.may[tag] = [image]
        if answer.status_code < 300:
            self.past[tag] += [(began, old) for old in before if old is not None and old is not image]
        return answer

    # -- content --------------------------------------------------------------------------------

    def _image(self) -> Image:
        self._made += 1
        config = json.dumps({"os": "linux", "of": f"{self._number}-{self._made}"}).encode()
        layers = self._chance.sample(LAYERS, self._chance.randint(1, 3))
        body = manifest(
            (OCI_CONFIG, sha256(config), len(config)),
            [(OCI_LAYER, sha256(layer), len(layer)) for layer in layers],
        )
        return Image(body, OCI_MANIFEST, {sha256(data): data for data in (config, *layers)})

    def _index(self, children: list[Image]) -> Image:
        return Image(index([child.body for child in children]), OCI_INDEX, {}, tuple(children))

    def _upload(self, image: Image, tag: str | None = None) -> None:
        """As clients do: what HEAD finds is not sent."""
        began, before = time.monotonic(), self.may.get(tag or "", [])
        for digest, data in image.blobs.items():
            answer = self.repo.head(f"blobs/{digest}")
            if _answered(answer, 200, 404).status_code == 404:
                answer = self.repo.do("POST", f"blobs/uploads/?digest={digest}", data=data)
                _answered(answer, 201)

        def put() -> requests.Response:
            return self.repo.put(tag or image.digest, image.body, image.media_type)

        answer = self._change(tag, image, (201, 400), put) if tag else _answered(put(), 201, 400)
        if answer.status_code == 400:
            if tag is not None:
                self.may[tag] = before
            # HEAD renews what has less than half of its time left.
            assert time.monotonic() - began > HOLD_S / 2, answer.text
            raise TooLate

    # -- afterwards -----------------------------------------------------------------------------

    def check(self) -> None:
        """Each tag names what was acknowledged, and all of that is there."""
        for tag in self.may:
            self._check(tag)

    def _check(self, tag: str) -> None:
        may = self.may[tag]
        answer = _answered(self.repo.get(f"manifests/{tag}"), 200, 404)
        if answer.status_code == 404:
            assert None in may, f"{self.name}:{tag} is lost: {answer.text}"
            self.may[tag] = [None]
            return
        digest = answer.headers["Docker-Content-Digest"]
        found = [image for image in may if image is not None and image.digest == digest]
        assert found, f"{self.name}:{tag} names {digest}, which it must not"
        assert answer.content == found[0].body
        self._whole(found[0])
        self.may[tag] = [found[0]]

    def _whole(self, image: Image) -> None:
        answer = _answered(self.repo.get(f"manifests/{image.digest}"), 200)
        assert answer.content == image.body
        for digest, data in image.blobs.items():
            assert _answered(self.repo.get(f"blobs/{digest}"), 200).content == data
        for child in image.children:
            self._whole(child)


def _answered(answer: requests.Response, *expected: int) -> requests.Response:
    if answer.status_code == 503:
        raise Away(answer.text)
    assert answer.status_code in expected, (
        f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
    )
    return answer


def _run(query: Any, tx: Tx) -> int:
    return tx.run(query)


class Registries:
    """The registry that is killed again and again."""

    def __init__(self, server: RegistryServer, seed: str) -> None:
        self.server = server
        self.chance = random.Random(seed)
        with self.opened() as registry:
            admin = registry.accounts.get("admin")
            registry.tenancy.organizations.create(SYSTEM, "acme", admin="admin")
            for name, window in WINDOWS_S.items():
                change = tables.Account.update(removed_tag_expiration_s=window)
                query = change.where(tables.Account.name == name)
                registry.db.write(partial(_run, query))
            bearer = new_token(40)
            token = {
                "uuid": str(uuid.uuid4()),
                "kind": "oauth",
                "account": admin.id,
                "title": "test",
                "scope": "repo:write",
                "lookup": registry.tenancy.ground.box.lookup(bearer),
                "created_ms": now_ms(),
                "expires_ms": now_ms() + 86_400_000,
            }
            registry.db.write(lambda tx: tx.insert(tables.Token, **token))
        names = [f"{namespace}/r" for namespace in WINDOWS_S]
        self.clients = [
            Client(server, names[number % 2], number, bearer, f"{seed}-{number}") for number in range(CLIENTS)
        ]

    @contextmanager
    def opened(self) -> Iterator[Registry]:
        """The registry's data, as a command has them."""
        with opened(self.server.folder / "config.yaml", self.server.data) as registry:
            yield registry

    def round(self) -> str:
        """Clients act, something is killed, all comes back; what was killed."""
        for client in self.clients:
            client.log_in()
        threads = [threading.Thread(target=client.run) for client in self.clients]
        for thread in threads:
            thread.start()
        time.sleep(self.chance.uniform(0.1, 1.5))
        what = self.chance.choice(("all", "all", "worker and all", "web"))
        if what == "worker and all":
            # The collector alone, in the middle of its work; pushes go on without it for a moment.
            until(lambda: ended("worker", self.server) > 0)
            time.sleep(self.chance.uniform(0, 0.3))
        if what == "web":
            until(lambda: ended("web", self.server) > 0)
        else:
            self.server.kill()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        if what == "web":
            self.server.kill()
        self.server.start()
        for client in self.clients:
            if client.error is not None:
                raise client.error
            client.log_in()
            client.check()
        return what

    def collect(self) -> None:
        """Beside the worker, which collects as well: afterwards nothing is left over."""
        with self.opened() as registry:

            def clean() -> bool:
                try:
                    registry.collector.sweep(0)
                    while registry.content.garbage.round():
                        pass
                    while registry.collector.empty_trash():
                        pass
                except Unavailable:
                    return False
                return not wrong(registry)

            def wrong(registry: Registry) -> list[str]:
                """What a worker that collects beside this one is about to take away is not wrong for long."""
                found = registry.content.fsck.run(Asked(digests=True))
                said = [f"{told.finding.kind} {told.finding.what}: {told.finding.text}" for told in found]
                return said + leftovers(registry.db, self.server.data / "storage")

            try:
                until(clean, 10)
            except AssertionError:
                raise AssertionError(wrong(registry)) from None


@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_and_nothing_left_over(
    make_registry_server: MakeServer, soak: bool, record_property: object
) -> None:
    seed = os.environ.get("QUAYFRAME_SEED") or uuid.uuid4().hex[:8]
    rounds = 200 if soak else 10
    registries = Registries(make_registry_server(config=CONFIG, arguments=("--workers", "1")), seed)
    began = time.monotonic()
    killed: dict[str, int] = {}
    try:
        for _ in range(rounds):
            what = registries.round()
            killed[what] = killed.get(what, 0) + 1
            registries.collect()
    except BaseException:
        print(f"QUAYFRAME_SEED={seed}")
        raise
    done = sum(client.acknowledged for client in registries.clients)
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s, killed: {killed}; {done} acts acknowledged")
    assert done > rounds
