"""Labels of an index: what acts is what all its images say alike; its own annotations are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from labelled import AFTER, HOUR, image, index, labels, life, pushed
from protocol import Protocol, Repo, sha256

from quayframe.data.content import Label
from quayframe.data.tables import Manifest, ManifestHold
from quayframe.services import holds
from quayframe.services.clock import now_ms

Make = Callable[..., Protocol]


@pytest.fixture
def protocol(make_protocol: Make) -> Protocol:
    return make_protocol()


@pytest.fixture
def repo(protocol: Protocol) -> Repo:
    return protocol.repo()


def test_an_index_ends_by_what_all_its_children_say(protocol: Protocol, repo: Repo) -> None:
    children = [image(repo, {AFTER: "2d", "n": str(n), "same": "same"}) for n in range(3)]
    for body in children:
        pushed(repo, sha256(body), body)
    body = index(children)
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") == 48 * HOUR
    assert labels(protocol, body) == [(AFTER, "2d", "text/plain")]


@pytest.mark.parametrize("other", ["3d", None])
def test_an_index_whose_children_differ_does_not_end(
    protocol: Protocol, repo: Repo, other: str | None
) -> None:
    children = [image(repo, {AFTER: "2d"}), image(repo, {AFTER: other} if other else {})]
    for body in children:
        pushed(repo, sha256(body), body)
    pushed(repo, "v1", index(children))

    assert life(protocol, repo, "v1") is None


def test_an_indexs_own_annotation_does_not_end_it(protocol: Protocol, repo: Repo) -> None:
    child = image(repo)
    pushed(repo, sha256(child), child)
    body = index([child], annotations={AFTER: "2d", "other": "kept"})
    pushed(repo, "v1", body)

    assert life(protocol, repo, "v1") is None
    assert labels(protocol, body) == [("other", "kept", "text/plain")]


def test_what_attests_to_an_image_has_no_say(protocol: Protocol, repo: Repo) -> None:
    children = [image(repo, {AFTER: "2d"}), image(repo)]
    for body in children:
        pushed(repo, sha256(body), body)
    attests = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": sha256(children[0]),
    }
    pushed(repo, "v1", index(children, {1: attests}))

    assert life(protocol, repo, "v1") == 48 * HOUR


def test_an_index_in_an_index_passes_on_what_its_children_share(protocol: Protocol, repo: Repo) -> None:
    child = image(repo, {AFTER: "2d"})
    inner = index([child])
    pushed(repo, sha256(child), child)
    pushed(repo, sha256(inner), inner)
    pushed(repo, "v1", index([inner, child]))

    assert life(protocol, repo, "v1") == 48 * HOUR


def test_an_index_with_a_child_that_is_not_here_does_not_end(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_SPARSE_INDEX=True)
    repo = protocol.repo()
    here, away = image(repo, {AFTER: "2d"}), image(repo, {AFTER: "2d"})
    pushed(repo, sha256(here), here)
    pushed(repo, "v1", index([here, away]))

    assert life(protocol, repo, "v1") is None


def test_a_label_that_the_api_added_to_the_children_does_not_act(protocol: Protocol, repo: Repo) -> None:
    child = image(repo, {AFTER: "2d"})
    pushed(repo, sha256(child), child)
    protocol.registry.db.write(lambda tx: tx.run(Label.update(source="api")))
    pushed(repo, "v1", index([child]))

    assert life(protocol, repo, "v1") is None


# -- the holds of an index's children ---------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True])
def test_a_pushed_index_may_end_the_holds_of_its_children(make_protocol: Make, reset: bool) -> None:
    protocol = make_protocol(RESET_CHILD_MANIFEST_EXPIRATION=reset)
    repo = protocol.repo()
    child, alone = image(repo), image(repo)
    for body in (child, alone):
        pushed(repo, sha256(body), body)
    db = protocol.registry.db
    asked = db.value(Manifest.select(Manifest.id).where(Manifest.digest == sha256(child)))
    db.write(lambda tx: holds.hold(tx, asked, "as-of", now_ms() + HOUR))
    pushed(repo, "v1", index([child]))

    kept = db.rows(
        ManifestHold.select(Manifest.digest, ManifestHold.reason)
        .join(Manifest, on=(Manifest.id == ManifestHold.manifest))
        .where(ManifestHold.expires_ms > now_ms())
    )
    expected = {(sha256(child), "as-of"), (sha256(alone), "push")}
    assert set(kept) == expected | (set() if reset else {(sha256(child), "push")})
    assert repo.get(f"manifests/{sha256(child)}").status_code == 200
