"""How often tags and manifests were pulled, counted by the protocol and told by the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from manifest_world import Images
from protocol import DOCKER_MANIFEST, OCI_MANIFEST, sha256

from quayframe.data.content import ManifestPulls, TagPulls
from quayframe.services.clock import now_ms

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def api(make_api: ApiMaker) -> ApiWorld:
    return make_api(FEATURE_IMAGE_PULL_STATS=True)


@pytest.fixture
def images(api: ApiWorld) -> Images:
    return Images(api)


def of_tag(images: Images, tag: str = "v1") -> dict[str, Any]:
    images.api.registry.content.pull_counts.flush()
    result = images.ann.get(f"repository/ann/app/tag/{tag}/pull_statistics")
    assert result.status_code == 200, result.text
    return dict(result.json)


def of_manifest(images: Images, digest: str) -> dict[str, Any]:
    images.api.registry.content.pull_counts.flush()
    result = images.ann.get(images.path(digest, "/pull_statistics"))
    assert result.status_code == 200, result.text
    return dict(result.json)


def counts(images: Images, tag: str = "v1") -> tuple[int, int]:
    """Of a tag, and of the manifest that it names."""
    found = of_tag(images, tag)
    return found["tag_pull_count"], found["manifest_pull_count"]


def test_what_was_never_pulled_has_zeros_and_nulls(images: Images) -> None:
    digest, _ = images.push()

    assert of_tag(images) == {
        "tag_name": "v1",
        "tag_pull_count": 0,
        "last_tag_pull_date": None,
        "current_manifest_digest": digest,
        "manifest_pull_count": 0,
        "last_manifest_pull_date": None,
    }
    assert of_manifest(images, digest) == {
        "manifest_digest": digest,
        "manifest_pull_count": 0,
        "last_manifest_pull_date": None,
    }


def test_a_pull_by_tag_counts_for_both_and_by_digest_for_the_manifest(images: Images) -> None:
    digest, _ = images.push()
    for reference in ("v1", "v1", digest):
        images.repo.get(f"manifests/{reference}")

    found = of_tag(images)
    assert (found["tag_pull_count"], found["manifest_pull_count"]) == (2, 3)
    assert ISO.fullmatch(found["last_tag_pull_date"])
    assert found["last_tag_pull_date"] <= found["last_manifest_pull_date"]
    assert of_manifest(images, digest)["manifest_pull_count"] == 3


def test_pulls_of_later_add_up(images: Images) -> None:
    images.push()
    for expected in (1, 2, 3):
        images.repo.get("manifests/v1")
        assert counts(images) == (expected, expected)


def test_a_tag_keeps_its_count_when_it_moves_and_a_manifest_counts_under_all_its_names(
    images: Images,
) -> None:
    old, body = images.push("v1")
    images.repo.put("also", body)
    images.repo.get("manifests/v1")
    images.repo.get("manifests/also")
    images.push("v1")
    images.repo.get("manifests/v1")

    assert counts(images, "v1") == (2, 1)
    assert counts(images, "also") == (1, 2)
    assert of_manifest(images, old)["manifest_pull_count"] == 2


def test_what_sends_no_manifest_is_no_pull(images: Images) -> None:
    digest, _ = images.push()
    images.repo.head("manifests/v1")
    images.repo.get("manifests/v1", headers={"If-None-Match": f'"{digest}"'})
    images.repo.get("manifests/never")
    images.repo.with_(images.api.protocol.session()).get("manifests/v1")

    assert counts(images) == (0, 0)


def test_as_it_was_counts_for_the_manifest_alone(images: Images) -> None:
    images.push()
    images.repo.get("manifests/v1", params={"as_of": "2999-01-01T00:00:00Z"})
    (start,) = images.api.registry.db.sql_rows("SELECT start_ms FROM tag")[0]
    assert start <= now_ms()
    images.repo.get("manifests/v1", params={"as_of": f"{_iso(start)}"})

    assert counts(images) == (0, 1)


def _iso(ms: int) -> str:
    from quayframe.http.api.views import iso

    return str(iso(ms))


def test_the_image_that_an_index_was_answered_with_is_what_was_pulled(images: Images) -> None:
    image, body = images.push(tag=None)
    platform = {"os": "linux", "architecture": "amd64"}
    listed = {"mediaType": OCI_MANIFEST, "digest": sha256(body), "size": len(body), "platform": platform}
    outer, _ = images.repo.index("v1", [], manifests=[listed])
    images.repo.get("manifests/v1", headers={"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"})

    assert of_manifest(images, image)["manifest_pull_count"] == 1
    assert of_manifest(images, outer)["manifest_pull_count"] == 0
    assert counts(images) == (1, 0)


@pytest.mark.parametrize(
    "path", ["tag/never", "manifest/sha256:00", "manifest/v1", f"manifest/{sha256(b'')}"]
)
def test_what_is_not_there_is_404(images: Images, path: str) -> None:
    images.push()
    result = images.ann.get(f"repository/ann/app/{path}/pull_statistics")

    assert (result.status_code, result.json["error_type"]) == (404, "not_found")


def test_a_deleted_tag_and_its_manifest_are_404(images: Images) -> None:
    digest, _ = images.push()
    images.repo.delete("manifests/v1")

    for path in ("tag/v1", f"manifest/{digest}"):
        assert images.ann.get(f"repository/ann/app/{path}/pull_statistics").status_code == 404


def test_switched_off_nothing_is_counted_and_nothing_is_told(make_api: ApiMaker) -> None:
    images = Images(make_api())
    images.push()
    images.repo.get("manifests/v1")
    images.api.registry.content.pull_counts.flush()

    assert images.ann.get("repository/ann/app/tag/v1/pull_statistics").status_code == 404
    for table in (TagPulls, ManifestPulls):
        assert images.api.registry.db.rows(table.select(table.id)) == []
